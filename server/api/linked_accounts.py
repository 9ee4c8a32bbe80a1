"""The accounts by which a user signs in: seen, added through `/signin/{provider}`, and taken away."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.api.operations import HTML, PAGES, Access, Answer, Operation, described
from server.api.queries import json_answer, read_query
from server.api.sign_in import ACCOUNTS_PATH
from server.api.welcoming import Welcoming
from server.auth.accounts import Account
from server.auth.callers import Callers
from server.auth.notices import Notices
from server.auth.providers.provider import Trouble
from server.auth.signing_in import SigningIn
from server.auth.visitors import Visitors
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity

TAG: Final = "Account"
_NO_USER: Final = "Only who is signed in has accounts."


class AccountPath(msgspec.Struct, frozen=True):
    """The path of one account.

    Attributes:
        id: of the account.
    """

    id: UUID


class AccountsQuery(msgspec.Struct, frozen=True):
    """What the address of the page says.

    Attributes:
        trouble: why the last try to link came to nothing.
        provider: with whom that was.
    """

    trouble: Trouble | None = None
    provider: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class AccountAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """One way for a user to sign in. The provider's tokens are never shown.

    Attributes:
        id: of the account.
        type: `oidc` or `oauth`.
        provider: its name, such as `google`.
        provider_account_id: the provider's id of the person.
        scope: what the provider lets us see, by its own words; null where it does not say.
        token_type: of the token that is kept; null where there is none.
        expires_at: of that token; null where nobody said.
        created_at: since when it is linked.
    """

    id: UUID
    type: str
    provider: str
    provider_account_id: str
    scope: str | None
    token_type: str | None
    expires_at: datetime | None
    created_at: datetime


class AccountsAnswer(msgspec.Struct, frozen=True):
    """Every account of the caller.

    Attributes:
        items: the oldest first; 20 at most.
    """

    items: list[AccountAnswer]


class LinkedAccountEndpoints:
    """`/me/accounts` and `/api/me/accounts`."""

    def __init__(
        self, signing_in: SigningIn, callers: Callers, visitors: Visitors, welcoming: Welcoming, notices: Notices
    ) -> None:
        self._signing_in = signing_in
        self._callers = callers
        self._visitors = visitors
        self._welcoming = welcoming
        self._notices = notices

    @described(
        Operation(
            PAGES,
            {
                200: Answer("The page.", media_type=HTML),
                303: Answer("To the page on which people sign in.", media_type=None),
            },
            query=AccountsQuery,
            refusals=(Code.UNAVAILABLE,),
            shows_own=True,
        )
    )
    async def accounts_page(self, request: Request) -> Response:
        """`GET /me/accounts`: the ways to sign in, to add one and to take one away."""
        query = read_query(request, AccountsQuery, only_known=True)
        identity = await self._visitors.find(request)
        if identity is None or identity.user_id is None:
            return RedirectResponse(f"/signin?next={ACCOUNTS_PATH}", HTTPStatus.SEE_OTHER.value)
        accounts = await self._signing_in.accounts.of_user(identity.user_id)
        providers = self._signing_in.providers
        whom = providers.get(query.provider or "")
        context: dict[str, Any] = {
            "accounts": [(one, self._label(one.provider)) for one in accounts],
            "is_last": sum(one.provider in providers for one in accounts) <= 1,
            "known": set(providers),
            "providers": list(providers.values()),
            "trouble": None if query.trouble is None else query.trouble.value,
            "with_whom": None if whom is None else whom.label,
        }
        return await self._welcoming.page(request, "accounts.html", context)

    @described(
        Operation(
            PAGES,
            {303: Answer("It is taken away: back to the page.", media_type=None)},
            path=AccountPath,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
        )
    )
    async def unlink_form(self, request: Request) -> Response:
        """`POST /me/accounts/{id}/unlink`: the form of that page."""
        account = await self._unlink(request)
        response = RedirectResponse(ACCOUNTS_PATH, HTTPStatus.SEE_OTHER.value)
        self._notices.leave(response, f"{self._label(account.provider)} is not linked any more.")
        return response

    @described(
        Operation(
            TAG,
            {200: Answer(shape=AccountsAnswer)},
            refusals=(Code.FORBIDDEN, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
        )
    )
    async def list_accounts(self, request: Request) -> Response:
        """`GET /api/me/accounts`: the ways to sign in. A visitor and an API key have none."""
        user_id = _user_of(await self._callers.require(request))
        accounts = await self._signing_in.accounts.of_user(user_id)
        return json_answer(AccountsAnswer([_answer(one) for one in accounts]))

    @described(
        Operation(
            TAG,
            {204: Answer("It is taken away.", media_type=None)},
            path=AccountPath,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.USER,
        )
    )
    async def unlink_account(self, request: Request) -> Response:
        """`DELETE /api/me/accounts/{id}`: takes a way to sign in away; the last one stays (`conflict`)."""
        await self._unlink(request)
        return Response(status_code=HTTPStatus.NO_CONTENT.value)

    async def _unlink(self, request: Request) -> Account:
        user_id = _user_of((await self._callers.require_writer(request)).identity)
        try:
            account_id = UUID(request.path_params["id"])
        except ValueError as error:
            raise Refusal(Code.NOT_FOUND, "There is no such account.") from error
        return await self._signing_in.accounts.unlink(user_id, account_id, self._signing_in.providers)

    def _label(self, name: str) -> str:
        provider = self._signing_in.providers.get(name)
        return name if provider is None else provider.label


def _user_of(identity: Identity) -> UUID:
    if identity.user_id is None or identity.key_id is not None:
        raise Refusal(Code.FORBIDDEN, _NO_USER)
    return identity.user_id


def _answer(account: Account) -> AccountAnswer:
    return AccountAnswer(
        id=account.id,
        type=account.type,
        provider=account.provider,
        provider_account_id=account.subject,
        scope=account.scope,
        token_type=account.token_type,
        expires_at=account.expires_at,
        created_at=account.created_at,
    )
