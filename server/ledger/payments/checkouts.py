"""What the sandbox's checkout page shows of a contribution."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from server.domain.channels import ChannelStatus
from server.domain.money import Funding, Share, split
from server.domain.transactions import ContributionStatus, TransactionType
from server.ledger.payments.sandbox import SANDBOX, Payment
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres

_OPEN: Final = frozenset({ContributionStatus.CREATED, ContributionStatus.PENDING})


@dataclass(frozen=True, slots=True)
class SandboxCheckout:
    """A contribution at the sandbox's checkout.

    Attributes:
        channel: its handle.
        title: the channel's.
        shares: what it has become; before it is paid, what it becomes as the channel stands now. Empty when it
            failed or is over.
    """

    payment: Payment
    channel: str
    title: str
    status: ContributionStatus
    shares: tuple[Share, ...]

    @property
    def is_open(self) -> bool:
        """Whether there is still something to decide."""
        return self.status in _OPEN


async def read_checkout(postgres: Postgres, contribution_id: UUID) -> SandboxCheckout | None:
    """The checkout of a contribution; None: there is none, or another provider takes its money.

    Raises:
        Refusal: ``unavailable``.
    """
    with outages_refused():
        async with postgres.pool.acquire() as connection:
            return await _read(connection, contribution_id)


async def _read(conn: Connection, contribution_id: UUID) -> SandboxCheckout | None:
    row = await conn.fetchrow(
        """
        SELECT contribution.status, type, amount_cents, currency, credits_per_dollar, name, title,
               channel.status AS channel_status, activation_funding_cents, activation_goal_cents
        FROM contribution JOIN channel ON channel.id = channel_id
        WHERE contribution.id = $1 AND provider = $2
        """,
        contribution_id,
        SANDBOX,
    )
    if row is None:
        return None
    status, shares = ContributionStatus(row["status"]), await _shares(conn, contribution_id)
    if status in _OPEN:
        funding = Funding(
            ChannelStatus(row["channel_status"]), row["activation_funding_cents"], row["activation_goal_cents"]
        )
        shares = split(TransactionType(row["type"]), row["amount_cents"], row["credits_per_dollar"], funding)
    return SandboxCheckout(
        payment=Payment(contribution_id, row["amount_cents"], row["currency"]),
        channel=row["name"],
        title=row["title"],
        status=status,
        shares=shares,
    )


async def _shares(conn: Connection, contribution_id: UUID) -> tuple[Share, ...]:
    """What it has become; nothing before it is paid."""
    rows = await conn.fetch(
        """
        SELECT type, amount_cents, credits FROM "transaction"
        WHERE contribution_id = $1 AND reverses_id IS NULL ORDER BY type
        """,
        contribution_id,
    )
    return tuple(Share(TransactionType(row["type"]), row["amount_cents"], row["credits"]) for row in rows)
