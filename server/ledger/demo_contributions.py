"""The money of the two demonstration channels: settled sandbox contributions of visitors with names.

Every id is fixed, so that doing it again, also on two nodes at once, changes nothing.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from server.domain.transactions import TransactionType
from server.ledger.contributions import NewContribution, Settlement, begin, settle
from server.ledger.credits import Credits
from server.storage.postgres import Connection, Postgres

_NAMESPACE: Final = UUID("5b1d6c52-0d0c-4d3e-9a5e-8f0c3b6f7a11")
_CREDITS_PER_DOLLAR: Final = 10


@dataclass(frozen=True, slots=True)
class _Gift:
    visitor: str
    type: TransactionType
    amount_cents: int


_DEEP_SEA_LAB: Final = (
    _Gift("Mara", TransactionType.ACTIVATION, 300),
    _Gift("Jonas", TransactionType.ACTIVATION, 200),
    _Gift("Priya", TransactionType.ACTIVATION, 400),
    _Gift("Tomás", TransactionType.ACTIVATION, 100),
    _Gift("Mara", TransactionType.CREDIT_PURCHASE, 500),
)
_NIGHT_KITCHEN: Final = (
    _Gift("Aiko", TransactionType.ACTIVATION, 350),
    _Gift("Jonas", TransactionType.ACTIVATION, 150),
)


async def ensure_demo_contributions(
    postgres: Postgres, channel_credits: Credits, *, deep_sea_lab: UUID | None, night_kitchen: UUID | None
) -> None:
    """Give both channels what they were given: the first its $10 goal and 50 credits, the second $5 of its $10.

    Args:
        deep_sea_lab, night_kitchen: the channels' ids; their rows are there, with a goal of $10 each. None where the
            channel is not the demonstration's own: nothing is given to it.
    """
    for channel_id, channel, gifts in (
        (deep_sea_lab, "deep-sea-lab", _DEEP_SEA_LAB),
        (night_kitchen, "night-kitchen", _NIGHT_KITCHEN),
    ):
        if channel_id is None:
            continue
        for number, gift in enumerate(gifts, start=1):
            new = _contribution(channel_id, f"demo-{channel}-{number}", gift)
            settlement = await postgres.transact(partial(_give, new=new))
            if settlement is not None and settlement.balance is not None:
                await channel_credits.publish([settlement.balance])


def _contribution(channel_id: UUID, reference: str, gift: _Gift) -> NewContribution:
    return NewContribution(
        id=uuid5(_NAMESPACE, reference),
        channel_id=channel_id,
        session_id=uuid5(_NAMESPACE, f"session of {gift.visitor}"),
        type=gift.type,
        amount_cents=gift.amount_cents,
        credits_per_dollar=_CREDITS_PER_DOLLAR,
        provider="sandbox",
        provider_reference=reference,
        display_name=gift.visitor,
    )


async def _give(conn: Connection, new: NewContribution) -> Settlement | None:
    # Nobody has a token of this session, and it has ended: it only names the visitor.
    await conn.execute(
        """
        INSERT INTO session (id, display_name, expires_at) VALUES ($1, $2, clock_timestamp())
        ON CONFLICT (id) DO NOTHING
        """,
        new.session_id,
        new.display_name,
    )
    await begin(conn, new)
    return await settle(conn, new.id)
