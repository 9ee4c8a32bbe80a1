"""Corrections of a channel's balance by hand: an ADJUST entry with a reason, never below zero."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from server.domain.errors import Code, Refusal
from server.domain.transactions import CreditEntryKind
from server.ledger.accounts import Balance, lock_channels, post
from server.ledger.credits import Credits
from server.storage.postgres import Connection, Postgres

MAX_ADJUSTMENT_CREDITS: Final = 1_000_000_000
MAX_REASON_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What an admin wants to add or, when negative, to take.

    Attributes:
        id: made by the caller, and the same when the request is repeated.
        reason: kept with the entry for ever.
    """

    id: UUID
    channel_id: UUID
    by_credits: int
    reason: str


async def adjust(postgres: Postgres, channel_credits: Credits, adjustment: Adjustment) -> Balance:
    """Adjust a balance, once for each id, and publish it.

    Returns:
        The balance right after the adjustment: the same when the request is repeated.

    Raises:
        Refusal: ``bad_request`` for an adjustment of nothing or of too much, or without a reason; ``not_found`` for an
            unknown channel; ``conflict`` when the balance would fall below zero (details: balance, by), or when the id
            was used for another adjustment. Nothing was changed.
    """
    _check(adjustment)
    balance = await postgres.transact(lambda conn: _adjust(conn, adjustment))
    await channel_credits.publish([balance])
    return balance


def _check(adjustment: Adjustment) -> None:
    if not 0 < abs(adjustment.by_credits) <= MAX_ADJUSTMENT_CREDITS:
        raise Refusal(Code.BAD_REQUEST, f"An adjustment is from 1 to {MAX_ADJUSTMENT_CREDITS:,} credits, up or down.")
    if not adjustment.reason.strip() or len(adjustment.reason) > MAX_REASON_CHARACTERS or "\0" in adjustment.reason:
        raise Refusal(Code.BAD_REQUEST, f"An adjustment needs a reason of at most {MAX_REASON_CHARACTERS} characters.")


async def _adjust(conn: Connection, adjustment: Adjustment) -> Balance:
    accounts = await lock_channels(conn, [adjustment.channel_id])
    account = accounts.get(adjustment.channel_id)
    if account is None:
        raise Refusal(Code.NOT_FOUND, "There is no such channel.")
    earlier = await _find(conn, adjustment)
    if earlier is not None:
        return earlier
    if account.balance + adjustment.by_credits < 0:
        raise Refusal(
            Code.CONFLICT,
            f"The channel has {account.balance:,} credits; {-adjustment.by_credits:,} cannot be taken.",
            details={"balance": account.balance, "by": adjustment.by_credits},
        )
    return await post(
        conn,
        account,
        kind=CreditEntryKind.ADJUST,
        delta=adjustment.by_credits,
        source_id=adjustment.id,
        reason=adjustment.reason,
    )


async def _find(conn: Connection, adjustment: Adjustment) -> Balance | None:
    """What this id was used for before: the same adjustment, or None."""
    row = await conn.fetchrow("SELECT * FROM credit_entry WHERE source_id = $1", adjustment.id)
    if row is None:
        return None
    stored = (row["kind"], row["channel_id"], row["delta"], row["reason"])
    if stored != (CreditEntryKind.ADJUST, adjustment.channel_id, adjustment.by_credits, adjustment.reason):
        raise Refusal(Code.CONFLICT, "This id was used for another entry of the ledger.")
    return Balance(row["channel_id"], row["balance_after"], row["channel_seq"])
