"""Contributions over REST: the quote, the contribution itself, and what became of it."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from server.api.bodies import read_body
from server.api.contribution_answers import ContributionAnswer, CreatedContribution, contribution_answer
from server.api.idempotency import Idempotency, idempotency_key
from server.api.operations import Answer, Operation, described
from server.api.paths import ChannelPath, ContributionPath
from server.api.queries import json_answer
from server.api.quotes import ContributionRequest, QuoteAnswer, QuoteRequest, quote_answer
from server.auth.callers import Callers
from server.channels.catalog import Catalog
from server.domain.display_names import display_name_of
from server.domain.errors import Code, Refusal
from server.domain.rates import Action
from server.ledger.contributing import Contributing, Wish
from server.ledger.given import read_given
from server.storage.postgres import Postgres

_REFUSALS = (
    Code.FORBIDDEN,
    Code.NOT_FOUND,
    Code.CHANNEL_PENDING,
    Code.CHANNEL_INACTIVE,
    Code.CONFLICT,
    Code.UNAVAILABLE,
)


class ContributionEndpoints:
    """`/api/channels/{name}/contributions…` and `/api/contributions/{id}`."""

    def __init__(
        self,
        postgres: Postgres,
        contributing: Contributing,
        catalog: Catalog,
        callers: Callers,
        idempotency: Idempotency,
    ) -> None:
        self._postgres = postgres
        self._contributing = contributing
        self._catalog = catalog
        self._callers = callers
        self._idempotency = idempotency

    @described(
        Operation(
            "Contributions",
            {200: Answer(shape=QuoteAnswer)},
            path=ChannelPath,
            body=QuoteRequest,
            refusals=_REFUSALS,
            is_personal=True,
            counts_as=Action.QUOTES,
        )
    )
    async def quote_contribution(self, request: Request) -> Response:
        """`POST /api/channels/{name}/contributions/quote`: what an amount would become now; nothing is kept."""
        await self._callers.require_writer(request)
        asked = await read_body(request, QuoteRequest)
        quote = await self._contributing.quote(Wish(await self._channel_id(request), asked.type, asked.amount))
        return json_answer(quote_answer(quote))

    @described(
        Operation(
            "Contributions",
            {201: Answer(shape=CreatedContribution)},
            path=ChannelPath,
            body=ContributionRequest,
            refusals=(*_REFUSALS, Code.PROVIDER_ERROR),
            is_personal=True,
            is_repeatable=True,
            counts_as=Action.CONTRIBUTIONS,
        )
    )
    async def create_contribution(self, request: Request) -> Response:
        """`POST /api/channels/{name}/contributions`: make a contribution, to be paid at `checkoutUrl`."""
        giver = (await self._callers.require_writer(request)).identity
        key = idempotency_key(request)

        async def make(contribution_id: UUID) -> Response:
            asked = await read_body(request, ContributionRequest)
            wish = Wish(
                await self._channel_id(request),
                asked.type,
                asked.amount,
                display_name_of(asked.display_name),
                asked.rate,
            )
            given = await self._contributing.contribute(contribution_id, giver, wish)
            response = json_answer(CreatedContribution(contribution_answer(given), given.checkout_url), status=201)
            response.headers["location"] = f"/api/contributions/{given.id}"
            return response

        return await self._idempotency.once(request, giver, key, make)

    @described(
        Operation(
            "Contributions",
            {200: Answer(shape=ContributionAnswer)},
            path=ContributionPath,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
        )
    )
    async def get_contribution(self, request: Request) -> Response:
        """`GET /api/contributions/{id}`: a contribution of the caller's."""
        giver = await self._callers.require(request)
        given = await read_given(self._postgres, contribution_id_of(request), giver)
        return json_answer(contribution_answer(given))

    async def _channel_id(self, request: Request) -> UUID:
        channel = await self._catalog.find(request.path_params["name"])
        if channel is None:
            raise Refusal(Code.NOT_FOUND, "There is no such channel.")
        return channel.id


def contribution_id_of(request: Request) -> UUID:
    """The id in the path.

    Raises:
        Refusal: not_found, it is none.
    """
    try:
        return UUID(request.path_params["id"])
    except ValueError:
        raise Refusal(Code.NOT_FOUND, "There is no such contribution.") from None
