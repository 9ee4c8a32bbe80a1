"""A channel's credits under its lock, and the entry that every change of them is.

A channel is locked FOR NO KEY UPDATE: two writers of one ledger wait for each other all the same, but the inserts of
others that only refer to the channel (`open` makes a chat) do not wait for our commits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from server.domain.channels import ChannelStatus
from server.domain.transactions import CreditEntryKind
from server.storage.postgres import Connection


class BrokenExpectation(Exception):
    """The database holds what this program rules out: a fault of ours. The transaction must be rolled back."""


@dataclass(frozen=True, slots=True)
class Balance:
    """The credits of a channel after its ledger entry number ``version``; a greater version is newer."""

    channel_id: UUID
    balance: int
    version: int


@dataclass(frozen=True, slots=True)
class ChannelAccount:
    """A channel's credits, read under its lock.

    Attributes:
        version: the number of its newest ledger entry; 0 when it has none.
    """

    id: UUID
    status: ChannelStatus
    balance: int
    version: int


async def lock_channels(conn: Connection, ids: Iterable[UUID]) -> dict[UUID, ChannelAccount]:
    """Lock these channels until the end of the transaction, in the order of their ids; unknown ids are left out."""
    rows = await conn.fetch(
        """
        SELECT id, status, credit_balance, ledger_version FROM channel
        WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE
        """,
        list(ids),
    )
    return {
        row["id"]: ChannelAccount(row["id"], ChannelStatus(row["status"]), row["credit_balance"], row["ledger_version"])
        for row in rows
    }


async def post(
    conn: Connection,
    account: ChannelAccount,
    *,
    kind: CreditEntryKind,
    delta: int,
    source_id: UUID,
    reason: str | None = None,
) -> Balance:
    """Write one PURCHASE or ADJUST entry and bring the channel's balance to it.

    Args:
        conn: in the transaction that has locked the channel.
        account: as `lock_channels` has read it, and the only entry that is posted from this reading.
        delta: credits that are added, or taken when negative; never more than there are.
        source_id: the transaction that bought the credits, or the id of the adjustment; unique in the ledger.
        reason: why an adjustment was made; None on a purchase.

    Raises:
        BrokenExpectation: the ledger has moved on since the account was read.
    """
    after = Balance(account.id, account.balance + delta, account.version + 1)
    updated = await conn.fetchval(
        """
        WITH entry AS (
            INSERT INTO credit_entry (channel_id, channel_seq, kind, delta, balance_after, source_id, reason)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
        )
        UPDATE channel SET credit_balance = $5, ledger_version = $2
        WHERE id = $1 AND ledger_version = $2 - 1 AND credit_balance = $5 - $4
        RETURNING id
        """,
        account.id,
        after.version,
        kind,
        delta,
        after.balance,
        source_id,
        reason,
    )
    expect(updated is not None, "no ledger has moved on under its lock")
    return after


def expect(is_so: bool, what: str) -> None:
    """Make sure of what must be so.

    Raises:
        BrokenExpectation: it is not.
    """
    if not is_so:
        raise BrokenExpectation(f"Expected that {what}.")
