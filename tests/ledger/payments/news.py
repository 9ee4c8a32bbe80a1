"""News of payments as tests want it, and what it has done to the books."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from server.domain.payments import EventProblem, PaymentKind
from server.domain.transactions import TransactionType
from server.ledger.contributions import NewContribution
from server.ledger.payments.applying import Applied, apply_event
from server.ledger.payments.provider import PaymentEvent
from tests.ledger.books import Books

SANDBOX = "sandbox"
_OF_PAYMENTS = {PaymentKind.PENDING, PaymentKind.PAID, PaymentKind.FAILED, PaymentKind.EXPIRED}


def news(new: NewContribution, kind: PaymentKind, event_id: str = "", **changes: Any) -> PaymentEvent:
    """What a provider would say of this contribution, with its order's id repeated; fields may be others."""
    event = PaymentEvent(
        event_id=event_id or f"{kind.value.lower()}-{new.id.hex}",
        type=f"payment.{kind.value.lower()}",
        kind=kind,
        reference=f"ref-{new.id.hex}",
        payment_reference=f"pay-{new.id.hex}",
        contribution_id=new.id,
        amount_cents=new.amount_cents if kind in _OF_PAYMENTS else None,
        currency="USD",
        payload={"said": "it"},
    )
    return replace(event, **changes)


def refund(new: NewContribution, cents: int, name: str = "re-1", **changes: Any) -> PaymentEvent:
    """A refund, named by its payment alone as Stripe does."""
    event = news(new, PaymentKind.REFUNDED, f"refunded-{name}-{new.id.hex}", reference=None, contribution_id=None)
    return replace(event, refund_reference=f"{name}-{new.id.hex}", refunded_cents=cents, **changes)


@dataclass
class Desk:
    """Takes news and says what the books say of it."""

    books: Books

    async def take(self, event: PaymentEvent, provider: str = SANDBOX) -> Applied:
        return await self.books.postgres.transact(partial(apply_event, provider=provider, event=event))

    async def give(self, cents: int = 1_000, *, is_active: bool = True) -> NewContribution:
        """A contribution of credits (or, off air, to the activation) that waits for its payment."""
        channel_id = await self.books.channel(is_active=is_active)
        type_ = TransactionType.CREDIT_PURCHASE if is_active else TransactionType.ACTIVATION
        return await self.books.contribution(channel_id, type_, cents)

    async def status(self, new: NewContribution) -> str:
        query = "SELECT status FROM contribution WHERE id = $1"
        return str(await self.books.postgres.pool.fetchval(query, new.id))

    async def credits(self, new: NewContribution) -> int:
        return (await self.books.balance(new.channel_id)).balance

    async def amounts(self, new: NewContribution) -> list[int]:
        """Of its transactions, in cents."""
        rows = await self.books.postgres.pool.fetch(
            'SELECT amount_cents FROM "transaction" WHERE contribution_id = $1 ORDER BY created_at, id', new.id
        )
        return [row["amount_cents"] for row in rows]

    async def unapplied(self) -> dict[str, EventProblem]:
        """The events that were not applied, and why."""
        rows = await self.books.postgres.pool.fetch(
            "SELECT event_id, problem FROM provider_event WHERE applied_at IS NULL"
        )
        return {row["event_id"]: EventProblem(row["problem"]) for row in rows}

    async def events(self) -> int:
        return int(await self.books.postgres.pool.fetchval("SELECT count(*) FROM provider_event"))

    async def references(self, contribution_id: UUID) -> tuple[str | None, str | None]:
        row = await self.books.postgres.pool.fetchrow(
            "SELECT provider_reference, payment_reference FROM contribution WHERE id = $1", contribution_id
        )
        assert row is not None
        return row["provider_reference"], row["payment_reference"]
