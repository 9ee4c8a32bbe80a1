"""What the sandbox's checkout page shows of a contribution."""

from dataclasses import dataclass
from uuid import UUID

from server.domain.channels import ChannelStatus
from server.domain.money import Funding, Share, split
from server.domain.transactions import ContributionStatus, TransactionType
from server.ledger.payments.sandbox import SANDBOX, Payment
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres


@dataclass(frozen=True, slots=True)
class SandboxCheckout:
    """A contribution at the sandbox's checkout.

    Attributes:
        channel: its handle.
        title: the channel's.
        shares: what it becomes as the channel stands now; what it has become may differ once it is paid.
    """

    payment: Payment
    channel: str
    title: str
    status: ContributionStatus
    shares: tuple[Share, ...]

    @property
    def is_open(self) -> bool:
        """Whether there is still something to decide."""
        return self.status in {ContributionStatus.CREATED, ContributionStatus.PENDING}


async def read_checkout(postgres: Postgres, contribution_id: UUID) -> SandboxCheckout | None:
    """The checkout of a contribution; None: there is none, or another provider takes its money.

    Raises:
        Refusal: ``unavailable``.
    """
    with outages_refused():
        row = await postgres.pool.fetchrow(
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
    funding = Funding(
        ChannelStatus(row["channel_status"]), row["activation_funding_cents"], row["activation_goal_cents"]
    )
    return SandboxCheckout(
        payment=Payment(contribution_id, row["amount_cents"], row["currency"]),
        channel=row["name"],
        title=row["title"],
        status=ContributionStatus(row["status"]),
        shares=split(TransactionType(row["type"]), row["amount_cents"], row["credits_per_dollar"], funding),
    )
