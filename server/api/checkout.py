"""`/checkout/{id}`: the page on which the sandbox is paid. It works without JavaScript.

As at any provider, whoever has the address may pay: the id is all it asks for. The decision needs the Origin of one of
our own pages, so that no other site's page decides it in a visitor's browser.
"""

from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.api.forms import read_form
from server.api.operations import HTML, Answer, Operation, described
from server.api.queries import read_query
from server.api.welcoming import Welcoming
from server.domain.errors import Code, Refusal
from server.domain.own_path import own_path
from server.domain.rates import Action
from server.ledger.payments.checkouts import SandboxCheckout, read_checkout
from server.ledger.payments.sandbox import Outcome, Sandbox
from server.storage.postgres import Postgres

RETURN_CHARACTERS_MAX: Final = 500
_NO_CHECKOUT: Final = "There is no such checkout."


class CheckoutPath(msgspec.Struct, frozen=True):
    """The path of one checkout.

    Attributes:
        id: id of the contribution.
    """

    id: UUID


class CheckoutQuery(msgspec.Struct, frozen=True):
    """What a checkout's address says.

    Attributes:
        return_to: where it leads back to, a path of this site; the channel without it.
    """

    return_to: Annotated[str, msgspec.Meta(max_length=RETURN_CHARACTERS_MAX)] | None = msgspec.field(
        default=None, name="return"
    )


class CheckoutEndpoints:
    """`/checkout/{id}`; without a sandbox there is none."""

    def __init__(self, sandbox: Sandbox | None, postgres: Postgres, welcoming: Welcoming) -> None:
        self._sandbox = sandbox
        self._postgres = postgres
        self._welcoming = welcoming

    @described(
        Operation(
            "Pages",
            {200: Answer("The page.", media_type=HTML)},
            path=CheckoutPath,
            query=CheckoutQuery,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            begins_session=True,
            shows_own=True,
        )
    )
    async def checkout(self, request: Request) -> Response:
        """`GET /checkout/{id}`: what is paid for at the sandbox, and what may happen to it."""
        _, checkout = await self._find(request)
        context = {
            "checkout": checkout,
            "status": checkout.status.value,
            "back": _back(request, checkout),
        }
        return await self._welcoming.page(request, "checkout.html", context)

    @described(
        Operation(
            "Pages",
            {303: Answer("It was decided: back to where the checkout leads.", media_type=None)},
            path=CheckoutPath,
            query=CheckoutQuery,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            counts_as=Action.CHECKOUTS,
        )
    )
    async def decide(self, request: Request) -> Response:
        """`POST /checkout/{id}`: the form of that page, with `outcome` = pay, fail, later or twice.

        It needs the Origin of one of our own pages, and no session. Choosing again changes nothing that was paid.
        """
        sandbox, checkout = await self._find(request)
        back = _back(request, checkout)
        chosen = (await read_form(request)).get("outcome", "")
        if chosen not in {outcome.value for outcome in Outcome}:
            raise Refusal(Code.BAD_REQUEST, "The outcome is pay, fail, later or twice.")
        await sandbox.decide(checkout.payment, Outcome(chosen))
        return RedirectResponse(back, HTTPStatus.SEE_OTHER.value)

    async def _find(self, request: Request) -> tuple[Sandbox, SandboxCheckout]:
        contribution_id = _id_of(request)
        if self._sandbox is None or contribution_id is None:
            raise Refusal(Code.NOT_FOUND, _NO_CHECKOUT)
        checkout = await read_checkout(self._postgres, contribution_id)
        if checkout is None:
            raise Refusal(Code.NOT_FOUND, _NO_CHECKOUT)
        return self._sandbox, checkout


def _id_of(request: Request) -> UUID | None:
    try:
        return UUID(request.path_params["id"])
    except ValueError:
        return None


def _back(request: Request, checkout: SandboxCheckout) -> str:
    """Where the checkout leads back to; never to another site, whatever its address says."""
    asked = read_query(request, CheckoutQuery, only_known=True).return_to
    return own_path(asked or "") or f"/c/{checkout.channel}"
