"""`/contributions/{id}`: what has become of a contribution; the provider leads back here."""

from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.contributions import contribution_id_of
from server.api.operations import HTML, PAGES, Answer, Operation, described
from server.api.paths import ContributionPath
from server.api.queries import read_query
from server.api.welcoming import Welcoming
from server.auth.visitors import Visitors
from server.domain.errors import Code, Refusal
from server.domain.transactions import TransactionStatus, TransactionType
from server.ledger.given import Given, read_given
from server.storage.postgres import Postgres

CONTINUE: Final = "continue"
"""The name in the query that says: go on to the provider's checkout, on its own site."""


class ContributionQuery(msgspec.Struct, frozen=True):
    """How a contribution's page is opened.

    Attributes:
        to_checkout: 1: lead on to the provider's checkout.
    """

    to_checkout: Annotated[int, msgspec.Meta(ge=0, le=1)] = msgspec.field(default=0, name=CONTINUE)


class ContributionPageEndpoints:
    """`/contributions/{id}`."""

    def __init__(self, postgres: Postgres, visitors: Visitors, welcoming: Welcoming) -> None:
        self._postgres = postgres
        self._visitors = visitors
        self._welcoming = welcoming

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            path=ContributionPath,
            query=ContributionQuery,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            begins_session=True,
            shows_own=True,
        )
    )
    async def contribution(self, request: Request) -> Response:
        """`GET /contributions/{id}`: what has become of a contribution of whoever asks; 404 for everybody else."""
        query = read_query(request, ContributionQuery, only_known=True)
        given = await self._find(request)
        if given is None:
            context: dict[str, Any] = {"given": None}
            return await self._welcoming.page(request, "contribution.html", context, status=HTTPStatus.NOT_FOUND)
        context = {
            "given": given,
            "became": _became_of(given),
            "continues": bool(query.to_checkout) and (given.checkout_url or "").startswith("https://"),
        }
        return await self._welcoming.page(request, "contribution.html", context)

    async def _find(self, request: Request) -> Given | None:
        giver = await self._visitors.find(request)
        if giver is None:
            return None
        try:
            return await read_given(self._postgres, contribution_id_of(request), giver)
        except Refusal as refusal:
            if refusal.code is not Code.NOT_FOUND:
                raise
            return None


def _became_of(given: Given) -> dict[str, int]:
    """What it became when it was paid, and how much of it has gone back since; cents, and credits."""
    paid = [part for part in given.parts if part.status is not TransactionStatus.REVERSAL]
    purchases = [part for part in paid if part.type is TransactionType.CREDIT_PURCHASE]
    return {
        "activation_cents": sum(part.amount_cents for part in paid if part.type is TransactionType.ACTIVATION),
        "credit_cents": sum(part.amount_cents for part in purchases),
        "credits": sum(part.credits for part in purchases),
        "reversed_cents": sum(part.amount_cents for part in paid) - sum(part.amount_cents for part in given.parts),
    }
