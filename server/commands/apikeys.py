"""`tallylight apikey`: the keys by which programs say who they are."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from server.commands.console import Json, err, escape, fail, out, print_json, table
from server.commands.place import DataDir, open_postgres
from server.domain.scopes import DEFAULT_SCOPES, Scope

if TYPE_CHECKING:
    from server.auth.api_keys import ApiKey

commands = typer.Typer(help="The API keys of programs.", no_args_is_help=True)


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for, such as a program's name.")],
    *,
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may be used for; may be repeated. Without it: chat, read."),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(metavar="USERNAME", help="Whose it is. The scope admin needs an admin."),
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Make a key and show it, this once: only its digest is kept."""
    key, secret = asyncio.run(_create(name, scope or DEFAULT_SCOPES, owner, data_dir))
    if as_json:
        print_json({**_facts(key), "key": secret})
        return
    out.out(secret)
    err.print(f"Key {key.id}. It is shown this once; use it as TALLYLIGHT_API_KEY.")


@commands.command("list")
def list_keys(*, as_json: Json = False, data_dir: DataDir = None) -> None:
    """List all keys, those that were revoked too."""
    keys = asyncio.run(_list(data_dir))
    if as_json:
        print_json([_facts(key) for key in keys])
        return
    rows = table("Id", "Name", "Made", "State", folding="Name")
    for key in keys:
        rows.add_row(str(key.id), escape(_described(key)), f"{key.created_at:%Y-%m-%d}", _state(key))
    out.print(rows)


@commands.command()
def revoke(
    key_id: Annotated[UUID, typer.Argument(metavar="ID", help="As `tallylight apikey list` shows it.")],
    *,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """End a key for ever: its requests are refused at once, its sockets close within a second or two."""
    key = asyncio.run(_revoke(key_id, data_dir))
    if key is None:
        raise fail(f"There is no key {key_id}.", "`tallylight apikey list` shows those there are.")
    if as_json:
        print_json(_facts(key))
    else:
        out.print(f"{escape(key.name)} is revoked.")


async def _create(name: str, scopes: Sequence[Scope], owner: str | None, data_dir: Path | None) -> "tuple[ApiKey, str]":
    from server.auth.api_keys import ApiKeys
    from server.auth.roles import find_user

    async with open_postgres(data_dir) as postgres:
        owner_id = None if owner is None else await find_user(postgres, owner)
        return await ApiKeys(postgres).create(name, scopes, owner_id=owner_id)


async def _list(data_dir: Path | None) -> "Sequence[ApiKey]":
    from server.auth.api_keys import ApiKeys

    async with open_postgres(data_dir) as postgres:
        return await ApiKeys(postgres).list()


async def _revoke(key_id: UUID, data_dir: Path | None) -> "ApiKey | None":
    from server.auth.api_keys import ApiKeys

    async with open_postgres(data_dir) as postgres:
        return await ApiKeys(postgres).revoke(key_id)


def _described(key: "ApiKey") -> str:
    """Its name, what it may do, and whose it is."""
    described = f"{key.name} ({', '.join(key.scopes)})"
    return described if key.owner is None else f"{described} of {key.owner}"


def _state(key: "ApiKey") -> str:
    if key.revoked_at is not None:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    return "never used" if key.last_used_at is None else f"used {key.last_used_at:%Y-%m-%d}"


def _facts(key: "ApiKey") -> Mapping[str, Any]:
    """In the spelling of the REST side; times as RFC 3339."""
    return {
        "id": key.id,
        "name": key.name,
        "owner": key.owner,
        "scopes": list(key.scopes),
        "createdAt": key.created_at.isoformat(),
        "lastUsedAt": key.last_used_at.isoformat() if key.last_used_at else None,
        "revokedAt": key.revoked_at.isoformat() if key.revoked_at else None,
    }
