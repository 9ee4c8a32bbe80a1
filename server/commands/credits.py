"""`tallylight credits`: corrections of a channel's balance."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from server.commands.console import Json, out, print_json
from server.commands.place import DataDir, open_postgres, open_redis
from server.domain.errors import Code, Refusal

if TYPE_CHECKING:
    from server.ledger.accounts import Balance

commands = typer.Typer(help="The credits of channels.", no_args_is_help=True)


@commands.callback()
def group() -> None:
    """The credits of channels."""


@commands.command()
def adjust(
    channel: Annotated[str, typer.Argument(help="Handle or id.")],
    *,
    by: Annotated[int, typer.Option(help="Credits to add; negative to take away.")],
    reason: Annotated[str, typer.Option(help="Why; it stays in the ledger.")],
    adjustment_id: Annotated[
        UUID | None, typer.Option("--id", help="Makes the command repeatable: the same id adjusts once.")
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Adjust a channel's balance by an entry in the ledger, never below zero."""
    balance = asyncio.run(_adjust(channel, by, reason, adjustment_id, data_dir))
    if as_json:
        print_json({"channel": balance.channel_id, "creditBalance": balance.balance, "version": balance.version})
    else:
        out.print(f"{channel} has {balance.balance:,} credits now.")


async def _adjust(
    id_or_name: str, by: int, reason: str, adjustment_id: UUID | None, data_dir: Path | None
) -> "Balance":
    from server.channels.catalog import Catalog
    from server.ledger.adjustments import Adjustment
    from server.ledger.adjustments import adjust as adjust_balance
    from server.ledger.credits import Credits
    from server.storage.ids import new_id

    async with open_postgres(data_dir) as postgres, open_redis(data_dir) as redis:
        channel = await Catalog(postgres).find(id_or_name)
        if channel is None:
            raise Refusal(Code.NOT_FOUND, f"There is no channel {id_or_name}.")
        adjustment = Adjustment(adjustment_id or new_id(), channel.id, by, reason)
        return await adjust_balance(postgres, Credits(postgres, redis), adjustment)
