"""The pages of a contribution, which work without JavaScript: the form, the quote to look at, and the way to the
checkout."""

import secrets
from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.api.contribute_form import ContributeForm, ContributeQuery
from server.api.contribution_page import CONTINUE
from server.api.forms import read_form
from server.api.idempotency import FORM_FIELD, Idempotency, checked_key
from server.api.operations import HTML, PAGES, Answer, Operation, described
from server.api.paths import ChannelPath
from server.api.problems import STATUS_OF_CODE
from server.api.queries import read_query
from server.api.session_status import status_of
from server.api.welcoming import Welcoming
from server.auth.callers import Callers
from server.channels.catalog import Catalog
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.rates import Action
from server.ledger.contributing import Contributing, Wish
from server.ledger.given import Given

WAIT_SECONDS: Final = 10.0
"""How long a second click waits for what the first one does."""
KEY_BYTES: Final = 16
RATE_DIGITS_MAX: Final = 6
GIVER_FIELD: Final = "giver"
"""Whose page the form was on: as `WHOSE`, but who comes too late is shown the quote again."""

_SHOWN_REFUSALS: Final = frozenset(
    {Code.BAD_REQUEST, Code.CHANNEL_INACTIVE, Code.CHANNEL_PENDING, Code.CONFLICT, Code.BUSY, Code.PROVIDER_ERROR}
)
"""What the page itself says, with everything that was typed; all else is an error page."""


class ContributeEndpoints:
    """`/c/{name}/contribute…`."""

    def __init__(
        self,
        contributing: Contributing,
        catalog: Catalog,
        callers: Callers,
        welcoming: Welcoming,
        idempotency: Idempotency,
    ) -> None:
        self._contributing = contributing
        self._catalog = catalog
        self._callers = callers
        self._welcoming = welcoming
        self._idempotency = idempotency

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            path=ChannelPath,
            query=ContributeQuery,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            begins_session=True,
        )
    )
    async def contribute(self, request: Request) -> Response:
        """`GET /c/{name}/contribute`: the form of a contribution, filled in with what the query says."""
        return await self._form_page(request, await self._form(request), HTTPStatus.OK)

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            path=ChannelPath,
            query=ContributeQuery,
            refusals=(Code.NOT_FOUND, Code.CHANNEL_PENDING, Code.CHANNEL_INACTIVE, Code.UNAVAILABLE),
            begins_session=True,
            counts_as=Action.QUOTES,
        )
    )
    async def review_contribution(self, request: Request) -> Response:
        """`GET /c/{name}/contribute/review`: what the contribution becomes, to look at before paying.

        What is not right is shown in the form again, with 400.
        """
        form = await self._form(request)
        wish = form.read() if form.types else None
        if wish is None:
            return await self._form_page(request, form, HTTPStatus.BAD_REQUEST)
        return await self._review_page(request, form, wish, None, _new_key())

    @described(
        Operation(
            PAGES,
            {303: Answer("To the checkout; where it was paid already, to the contribution.", media_type=None)},
            path=ChannelPath,
            refusals=(
                Code.FORBIDDEN,
                Code.NOT_FOUND,
                Code.CHANNEL_PENDING,
                Code.CHANNEL_INACTIVE,
                Code.BUSY,
                Code.CONFLICT,
                Code.PROVIDER_ERROR,
                Code.UNAVAILABLE,
            ),
            is_personal=True,
            counts_as=Action.CONTRIBUTIONS,
        )
    )
    async def pay_contribution(self, request: Request) -> Response:
        """`POST /c/{name}/contribute`: the form of that page, with `type`, `cents`, `displayName`, `rate`, `giver` and
        `idempotencyKey`; makes the contribution and leads to its checkout. What a user has looked at is shown again to
        whoever is signed in by then."""
        giver = (await self._callers.require_writer(request)).identity
        fields = await read_form(request)
        key = checked_key(fields.get(FORM_FIELD, ""))
        form = await self._form(request, _query_of(fields))
        wish = form.read()
        if wish is None:
            return await self._form_page(request, form, HTTPStatus.BAD_REQUEST)
        wish = Wish(
            wish.channel_id, form.query.type or wish.type, wish.amount_cents, wish.display_name, _rate_of(fields)
        )
        try:
            _expect_giver(giver, fields.get(GIVER_FIELD, ""))
            return await self._pay(request, giver, key, wish)
        except Refusal as refusal:
            if refusal.code not in _SHOWN_REFUSALS:
                raise
            next_key = key if refusal.temporary else _new_key()
            return await self._review_page(request, form, wish, refusal, next_key)

    async def _pay(self, request: Request, giver: Identity, key: str, wish: Wish) -> Response:
        async def make(contribution_id: UUID) -> Response:
            given = await self._contributing.contribute(contribution_id, giver, wish)
            return RedirectResponse(_next_of(given), HTTPStatus.SEE_OTHER.value)

        return await self._idempotency.once(request, giver, key, make, wait_seconds=WAIT_SECONDS)

    async def _form(self, request: Request, query: ContributeQuery | None = None) -> ContributeForm:
        channel = await self._catalog.find(request.path_params["name"])
        if channel is None:
            raise Refusal(Code.NOT_FOUND, "There is no such channel.")
        if query is None:
            query = read_query(request, ContributeQuery, only_known=True)
        return ContributeForm(channel, self._contributing.terms, query)

    async def _form_page(self, request: Request, form: ContributeForm, status: HTTPStatus) -> Response:
        context = {"form": form, "channel": form.channel}
        return await self._welcoming.page(request, "contribute.html", context, status=status)

    async def _review_page(
        self, request: Request, form: ContributeForm, wish: Wish, refusal: Refusal | None, key: str
    ) -> Response:
        try:
            quote = await self._contributing.quote(Wish(wish.channel_id, wish.type, wish.amount_cents))
        except Refusal as closed:
            if closed.code not in _SHOWN_REFUSALS:
                raise
            form.errors["amount" if closed.code is Code.BAD_REQUEST else "type"] = closed.message
            return await self._form_page(request, form, STATUS_OF_CODE[closed.code])
        status = HTTPStatus.OK if refusal is None else STATUS_OF_CODE[refusal.code]
        context = {
            "form": form,
            "channel": form.channel,
            "wish": wish,
            "quote": quote,
            "refusal": refusal,
            "idempotency_key": key,
        }
        return await self._welcoming.page(request, "contribute-review.html", context, status=status)


def _query_of(fields: dict[str, str]) -> ContributeQuery:
    """What was looked at, as the form would have sent it.

    Raises:
        Refusal: bad_request: no page of ours sends this.
    """
    known = {"type": fields.get("type"), "preset": fields.get("cents"), "displayName": fields.get("displayName")}
    try:
        return msgspec.convert({name: text for name, text in known.items() if text}, ContributeQuery, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(Code.BAD_REQUEST, f"The form is not right: {error}.") from error


def _rate_of(fields: dict[str, str]) -> int:
    """The rate that was looked at."""
    text = fields.get("rate", "")
    if not (text.isascii() and text.isdigit() and len(text) <= RATE_DIGITS_MAX):
        raise Refusal(Code.BAD_REQUEST, "The form does not say the rate that was looked at.")
    return int(text)


def _next_of(given: Given) -> str:
    """Where to go. Browsers follow a form's redirect within this site only (the policy's `form-action`): to another
    site it leads over a page of ours."""
    if given.checkout_url is None:
        return f"/contributions/{given.id}"
    is_own = given.checkout_url.startswith("/") and not given.checkout_url.startswith("//")
    return given.checkout_url if is_own else f"/contributions/{given.id}?{CONTINUE}=1"


def _expect_giver(giver: Identity, whose: str) -> None:
    """What was begun as a visitor counts for the user that the visitor became; what a user began, for that user."""
    if whose and whose != status_of(giver).whose:
        raise Refusal(
            Code.CONFLICT, "You are not who you were when you looked at this. Nothing was charged: look again."
        )


def _new_key() -> str:
    return secrets.token_urlsafe(KEY_BYTES)
