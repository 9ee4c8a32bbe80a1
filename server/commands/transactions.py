"""`tallylight transactions`: money that goes back."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from server.commands.console import Json, err, escape, out, print_json
from server.commands.place import DataDir, open_postgres, open_redis

if TYPE_CHECKING:
    from server.ledger.reversal_requests import RecordedReversal, ReversalRequest

commands = typer.Typer(help="The transactions that contributions became.", no_args_is_help=True)


@commands.callback()
def group() -> None:
    """The transactions that contributions became."""


@commands.command()
def reverse(
    transaction_id: Annotated[UUID, typer.Argument(metavar="ID", help="Of the transaction.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; it stays with the reversal, for admins only.")],
    amount: Annotated[
        int | None, typer.Option(metavar="CENTS", min=1, show_default=False, help="How much; else all that is left.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(show_default=False, help="Makes the command repeatable: the same key reverses once."),
    ] = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Take a transaction back, whole or in part: its funding, or its credits as far as the channel still has them.

    No money moves at the payment provider: refund it there; where the provider tells of refunds, that alone is enough.
    """
    from server.ledger.reversal_requests import ReversalRequest
    from server.storage.ids import new_id

    request = ReversalRequest(transaction_id, key or str(new_id()), amount, reason)
    recorded = asyncio.run(_reverse(request, data_dir))
    if as_json:
        print_json(_facts(recorded))
        return
    out.print(escape(f"Reversed ${-recorded.amount_cents / 100:,.2f} of {recorded.channel_name}: {_told(recorded)}."))
    if recorded.deficit_credits:
        err.print(f"{recorded.deficit_credits:,} credits had been used already and were not taken from others.")


async def _reverse(request: "ReversalRequest", data_dir: Path | None) -> "RecordedReversal":
    from server.ledger.credits import Credits
    from server.ledger.reversal_requests import Reversals

    async with open_postgres(data_dir) as postgres, open_redis(data_dir) as redis:
        return await Reversals(postgres, Credits(postgres, redis)).reverse(request)


def _told(recorded: "RecordedReversal") -> str:
    from server.domain.transactions import TransactionType

    if recorded.type is TransactionType.ACTIVATION:
        return "its activation has that much less"
    taken = -recorded.credits - recorded.deficit_credits
    return f"{taken:,} credit{'' if taken == 1 else 's'} taken back"


def _facts(recorded: "RecordedReversal") -> Mapping[str, Any]:
    """In the spelling of the REST side; times as RFC 3339."""
    return {
        "id": recorded.id,
        "reversesId": recorded.reverses_id,
        "contributionId": recorded.contribution_id,
        "channel": recorded.channel_name,
        "type": recorded.type,
        "amount": recorded.amount_cents,
        "currency": recorded.currency,
        "credits": recorded.credits,
        "deficitCredits": recorded.deficit_credits,
        "reason": recorded.reason,
        "createdAt": recorded.created_at.isoformat(),
    }
