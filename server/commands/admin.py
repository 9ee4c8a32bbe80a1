"""`tallylight admin`: who may do everything. The first admin is made here, and nowhere else."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.commands.console import Json, escape, out, print_json
from server.commands.place import DataDir, open_postgres
from server.domain.users import UserRole

if TYPE_CHECKING:
    from server.auth.roles import RoleChange

commands = typer.Typer(help="The admins.", no_args_is_help=True)
Username = Annotated[str, typer.Argument(help="As the user's profile shows it, in any case.")]


@commands.callback()
def group() -> None:
    """The admins."""


@commands.command()
def grant(username: Username, *, as_json: Json = False, data_dir: DataDir = None) -> None:
    """Make a user an admin, from the next request on."""
    _change(username, UserRole.ADMIN, as_json=as_json, data_dir=data_dir)


@commands.command()
def revoke(username: Username, *, as_json: Json = False, data_dir: DataDir = None) -> None:
    """Make an admin a user like all others, from the next request on."""
    _change(username, UserRole.USER, as_json=as_json, data_dir=data_dir)


def _change(username: str, role: UserRole, *, as_json: bool, data_dir: Path | None) -> None:
    change = asyncio.run(_set_role(username, role, data_dir))
    if as_json:
        print_json({"id": change.user_id, "username": change.username, "role": change.after, "before": change.before})
        return
    was_so = "already " if change.before is change.after else ""
    kind = "an admin" if role is UserRole.ADMIN else "no admin"
    out.print(escape(f"{change.username} is {was_so}{kind}{'' if was_so else ' now'}."))


async def _set_role(username: str, role: UserRole, data_dir: Path | None) -> "RoleChange":
    from server.auth.roles import set_role

    async with open_postgres(data_dir) as postgres:
        return await set_role(postgres, username, role)
