"""What payment providers told and nothing was done about, for admins: over REST and as a page."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.cursors import Cursors, list_name_of
from server.api.operations import HTML, PAGES, Access, Answer, Operation, described
from server.api.queries import ListQuery, json_answer, read_query
from server.api.welcoming import Welcoming
from server.domain.errors import Code
from server.domain.payments import EventProblem
from server.domain.rates import Action
from server.ledger.payments.unapplied import UnappliedEvent, unapplied_events
from server.storage.postgres import Postgres

EXPLAINED: Final[Mapping[EventProblem, str]] = {
    EventProblem.UNKNOWN_REFERENCE: "No contribution is known by these names. It is tried again for 30 days.",
    EventProblem.NOT_PAID_YET: "Money went back before its payment was told. It waits for the payment.",
    EventProblem.AMOUNT_DIFFERS: "The amount is not the contribution's. Nothing was credited.",
    EventProblem.CURRENCY_DIFFERS: "The currency is not the contribution's. Nothing was credited.",
    EventProblem.CONTRIBUTION_DIFFERS: "It names two contributions. Nothing was credited.",
    EventProblem.PAID_TWICE: "It was paid a second time. The second payment is owed back to its giver.",
    EventProblem.REFUND_REFUSED: "More went back than is left of the contribution. Nothing was taken back.",
    EventProblem.REINSTATED: "Money came again that had gone back. Reversals stay: adjust the credits if they are due.",
}


class PaymentEventQuery(ListQuery, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a list of payment events takes.

    Attributes:
        limit: how many items at most.
        cursor: a `nextCursor` or `prevCursor` of the same list; without it, the beginning.
        waiting: true: only what may still be applied by itself; false: only what an admin has to look at; without it,
            both.
    """

    waiting: bool | None = None


class PaymentEventAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """News of a payment provider that was not applied.

    Attributes:
        provider: who told it.
        event_id: the provider's id of the news.
        type: the provider's word for it.
        problem: why it was not applied.
        explanation: the same for people, and what is to do.
        waiting: whether it may still be applied by itself.
        reference: the provider's id of the checkout; null: it names none.
        payment_reference: the provider's id of the payment; null: it names none.
        refund_reference: the provider's id of the refund or the dispute; null: it is none.
        contribution_id: whose payment it is; null: none is known by these names.
        amount: of the whole payment, in cents; null: it does not say.
        refunded: of this refund, in cents; null: it is none.
        currency: of both; null: it does not say.
        received_at: when it came.
    """

    provider: str
    event_id: str
    type: str
    problem: EventProblem
    explanation: str
    waiting: bool
    reference: str | None
    payment_reference: str | None
    refund_reference: str | None
    contribution_id: UUID | None
    amount: int | None
    refunded: int | None
    currency: str | None
    received_at: datetime


class PaymentEventList(msgspec.Struct, frozen=True, rename="camel"):
    """A page of news that was not applied.

    Attributes:
        items: the newest first.
        next_cursor: the `cursor` of the following page; null: this is the last one.
        prev_cursor: the `cursor` of the page before; null: this is the first one.
    """

    items: list[PaymentEventAnswer]
    next_cursor: str | None
    prev_cursor: str | None


class PaymentEventEndpoints:
    """`/api/admin/payment-events`, and the page `/admin/payment-events`."""

    def __init__(self, postgres: Postgres, cursors: Cursors, welcoming: Welcoming) -> None:
        self._postgres = postgres
        self._cursors = cursors
        self._welcoming = welcoming

    @described(
        Operation(
            "Administration",
            {200: Answer(shape=PaymentEventList)},
            query=PaymentEventQuery,
            refusals=(Code.FORBIDDEN, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.ADMINISTRATION,
            access=Access.ADMIN,
        )
    )
    async def list_payment_events(self, request: Request) -> Response:
        """`GET /api/admin/payment-events`: what payment providers told and nothing was done about, the newest first."""
        return json_answer(await self._list(read_query(request, PaymentEventQuery)))

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            query=PaymentEventQuery,
            refusals=(Code.FORBIDDEN, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.ADMINISTRATION,
            access=Access.ADMIN,
        )
    )
    async def payment_events(self, request: Request) -> Response:
        """`GET /admin/payment-events`: the same for people; without `waiting`, what an admin has to look at."""
        query = read_query(request, PaymentEventQuery, only_known=True)
        is_waiting = query.waiting is True
        found = await self._list(msgspec.structs.replace(query, waiting=is_waiting))
        context = {"events": found.items, "is_waiting": is_waiting, "pager": found}
        return await self._welcoming.page(request, "payment-events.html", context)

    async def _list(self, query: PaymentEventQuery) -> PaymentEventList:
        list_name = list_name_of("payment events", str(query.waiting))
        position = self._cursors.open(list_name, query.cursor)
        page = await unapplied_events(self._postgres, waiting=query.waiting, position=position, limit=query.limit)
        following, previous = self._cursors.seal(list_name, page.next), self._cursors.seal(list_name, page.previous)
        return PaymentEventList([_answer_of(event) for event in page.items], following, previous)


def _answer_of(event: UnappliedEvent) -> PaymentEventAnswer:
    return PaymentEventAnswer(
        provider=event.provider,
        event_id=event.event_id,
        type=event.type,
        problem=event.problem,
        explanation=EXPLAINED[event.problem],
        waiting=event.problem.waits,
        reference=event.reference,
        payment_reference=event.payment_reference,
        refund_reference=event.refund_reference,
        contribution_id=event.contribution_id,
        amount=event.amount_cents,
        refunded=event.refunded_cents,
        currency=event.currency,
        received_at=event.received_at,
    )
