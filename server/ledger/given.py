"""A contribution as its giver sees it: how far it has come, and the transactions it became."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from server.domain.channels import ChannelStatus
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.transactions import ContributionStatus, TransactionStatus, TransactionType
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

_CONTRIBUTION: Final = """
    SELECT contribution.id, contribution.user_id, session_id, type, amount_cents, currency, credits_per_dollar,
           contribution.status, checkout_url, display_name, contribution.created_at, settled_at,
           name AS channel_name, title AS channel_title, channel.status AS channel_status
      FROM contribution JOIN channel ON channel.id = contribution.channel_id WHERE contribution.id = $1
"""
_TRANSACTIONS: Final = """
    SELECT id, type, status, amount_cents, credits, created_at FROM "transaction"
     WHERE contribution_id = $1 ORDER BY created_at, id
"""


@dataclass(frozen=True, slots=True)
class GivenPart:
    """A transaction that a contribution became; what a reversal took back is negative."""

    id: UUID
    type: TransactionType
    status: TransactionStatus
    amount_cents: int
    credits: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Given:
    """A contribution.

    Attributes:
        type: what was asked for; `parts` say what it became.
        credits_per_dollar: the rate, frozen when it was made.
        display_name: how a giver who is not signed in is called; None for an anonymous supporter.
        checkout_url: where it is paid; None: the provider was not reached, or there is nothing to pay any more.
        settled_at: when it was paid; None until then.
        parts: in the order of their writing; none until it is settled.
    """

    id: UUID
    channel_name: str
    channel_title: str
    channel_status: ChannelStatus
    type: TransactionType
    amount_cents: int
    currency: str
    credits_per_dollar: int
    status: ContributionStatus
    display_name: str | None
    checkout_url: str | None
    created_at: datetime
    settled_at: datetime | None
    parts: Sequence[GivenPart]


async def read_given(postgres: Postgres, contribution_id: UUID, giver: Identity) -> Given:
    """A contribution of this giver's.

    Raises:
        Refusal: not_found, absent or somebody else's; unavailable.
    """
    with outages_refused():
        # In one snapshot: a contribution that is settled has its transactions.
        async with (
            postgres.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            row = await connection.fetchrow(_CONTRIBUTION, contribution_id)
            if row is None or not giver.owns(row["user_id"], row["session_id"]):
                raise Refusal(Code.NOT_FOUND, "There is no such contribution.")
            parts = await connection.fetch(_TRANSACTIONS, contribution_id)
    status = ContributionStatus(row["status"])
    return Given(
        id=row["id"],
        channel_name=row["channel_name"],
        channel_title=row["channel_title"],
        channel_status=ChannelStatus(row["channel_status"]),
        type=TransactionType(row["type"]),
        amount_cents=row["amount_cents"],
        currency=row["currency"],
        credits_per_dollar=row["credits_per_dollar"],
        status=status,
        display_name=row["display_name"],
        checkout_url=row["checkout_url"] if status is ContributionStatus.PENDING else None,
        created_at=row["created_at"],
        settled_at=row["settled_at"],
        parts=[
            GivenPart(
                part["id"],
                TransactionType(part["type"]),
                TransactionStatus(part["status"]),
                part["amount_cents"],
                part["credits"],
                part["created_at"],
            )
            for part in parts
        ],
    )
