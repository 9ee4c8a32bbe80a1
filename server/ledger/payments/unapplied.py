"""News of providers that is kept without having been applied: some waits, the rest is for an admin to look at."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Uuid, and_, cast, func, or_, select

from server.domain.pages import Page, Position
from server.domain.payments import EventProblem
from server.storage.keyset import fetch_page, order_by_time
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres
from server.storage.tables.contributions import contribution, provider_event


@dataclass(frozen=True, slots=True)
class UnappliedEvent:
    """One piece of news, without what the provider said beside it: that may hold an address or a name.

    Attributes:
        event_id: the provider's id of the news.
        type: the provider's word for it.
        reference: the provider's id of the checkout; None: it names none. So with the two that follow.
        payment_reference: of the payment.
        refund_reference: of the refund or the dispute.
        contribution_id: that one of these names belongs to; None: no contribution is known by them.
        amount_cents: of the whole payment; None: it does not say.
        refunded_cents: of this refund; None: it is none.
        currency: None: it does not say.
    """

    provider: str
    event_id: str
    type: str
    problem: EventProblem
    reference: str | None
    payment_reference: str | None
    refund_reference: str | None
    contribution_id: UUID | None
    amount_cents: int | None
    refunded_cents: int | None
    currency: str | None
    received_at: datetime


_EVENT: Final = provider_event.c
# The key of the table is made of words; a page needs one value of it that decides between equal times.
_ROW: Final = cast(func.md5(_EVENT.provider + " " + _EVENT.event_id), Uuid)
_ORDER: Final = order_by_time(_EVENT.received_at, _ROW, descending=True)
_CONTRIBUTION: Final = (
    select(contribution.c.id)
    .where(
        contribution.c.provider == _EVENT.provider,
        or_(
            contribution.c.provider_reference == _EVENT.provider_reference,
            contribution.c.payment_reference == _EVENT.payment_reference,
            and_(contribution.c.id == _EVENT.contribution_id, _EVENT.contribution_id.is_not(None)),
        ),
    )
    .order_by(contribution.c.id)
    .limit(1)
    .scalar_subquery()
)
_EVENTS: Final = select(
    _EVENT.provider,
    _EVENT.event_id,
    _EVENT.type,
    _EVENT.problem,
    _EVENT.provider_reference.label("reference"),
    _EVENT.payment_reference,
    _EVENT.refund_reference,
    _CONTRIBUTION.label("contribution_id"),
    _EVENT.amount_cents,
    _EVENT.refunded_cents,
    _EVENT.currency,
    _EVENT.received_at,
).where(_EVENT.applied_at.is_(None))


async def unapplied_events(
    postgres: Postgres, *, waiting: bool | None, position: Position | None = None, limit: int
) -> Page[UnappliedEvent]:
    """A page of them, the newest first.

    Args:
        postgres: only read from.
        waiting: true: only what may still be applied by itself; false: only what will not; None: both.
        position: None means the beginning.
        limit: events at most.

    Raises:
        Refusal: unavailable; bad_request, the position is of another list.
    """
    problems = [problem.value for problem in EventProblem if waiting in {None, problem.waits}]
    statement = _EVENTS.where(_EVENT.problem.in_(problems))
    with outages_refused():
        async with postgres.snapshots.connect() as connection:
            page = await fetch_page(connection, statement, _ORDER, position, limit)
    events = []
    for row in page.items:
        values = {field: getattr(row, field) for field in UnappliedEvent.__slots__}
        events.append(UnappliedEvent(**values | {"problem": EventProblem(values["problem"])}))
    return Page(events, page.next, page.previous)
