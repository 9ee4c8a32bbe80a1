"""`/signin…`: the page on which people sign in, the way to a provider, and the way back. No script is needed."""

from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.api.embed_window import keeping_opener
from server.api.forms import read_form
from server.api.operations import HTML, PAGES, Answer, Operation, described
from server.api.queries import read_query
from server.api.welcoming import Welcoming
from server.auth.attempts import NEXT_CHARACTERS_MAX, Attempts
from server.auth.callers import Callers
from server.auth.cookies import SessionCookie
from server.auth.notices import Notices
from server.auth.providers.provider import Provider, Trouble
from server.auth.signing_in import Arrival, SignInFailed, SigningIn, answer_of, next_path_of, things_of, told_of
from server.auth.visitors import Visitors
from server.domain.devices import device_of
from server.domain.errors import Code, Refusal
from server.domain.identity import IdentityKind
from server.domain.rates import Action
from server.ledger.unclaimed import Unclaimed, read_unclaimed

ACCOUNTS_PATH: Final = "/me/accounts"
WELCOME_PATH: Final = "/welcome"
LAST_NAME: Final = "tallylight_last_provider"
LAST_SECONDS: Final = 365 * 86_400
LINK: Final = "link"
_NAMES_CHARACTERS_MAX: Final = 200

Word = Annotated[str, msgspec.Meta(max_length=_NAMES_CHARACTERS_MAX)]


class ProviderNamePath(msgspec.Struct, frozen=True):
    """The path of one way to sign in.

    Attributes:
        provider: its name.
    """

    provider: Annotated[str, msgspec.Meta(examples=["google"])]


class SignInQuery(msgspec.Struct, frozen=True):
    """What the address of the page says.

    Attributes:
        next: where signing in leads, a path of this site.
        trouble: why the last try came to nothing.
        provider: with whom that was.
        through: where the person has an account already, names with commas between.
    """

    next: Annotated[str, msgspec.Meta(max_length=NEXT_CHARACTERS_MAX)] = "/"
    trouble: Trouble | None = None
    provider: Word | None = None
    through: Word | None = None


class SignInEndpoints:
    """The page, the way there and the way back."""

    def __init__(
        self,
        *,
        signing_in: SigningIn,
        attempts: Attempts,
        notices: Notices,
        cookie: SessionCookie,
        callers: Callers,
        visitors: Visitors,
        welcoming: Welcoming,
    ) -> None:
        self._signing_in = signing_in
        self._attempts = attempts
        self._notices = notices
        self._cookie = cookie
        self._callers = callers
        self._visitors = visitors
        self._welcoming = welcoming

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            query=SignInQuery,
            refusals=(Code.UNAVAILABLE,),
            begins_session=True,
        )
    )
    async def sign_in_page(self, request: Request) -> Response:
        """`GET /signin`: with whom one can sign in, what will move along, and why the last try failed."""
        query = read_query(request, SignInQuery, only_known=True)
        identity = await self._visitors.find(request)
        held = Unclaimed()
        if identity is not None and identity.kind is IdentityKind.SESSION:
            held = await read_unclaimed(self._signing_in.postgres, identity.session_id)
        last = request.cookies.get(LAST_NAME)
        context: dict[str, Any] = {
            "providers": list(self._signing_in.providers.values()),
            "last": last if last in self._signing_in.providers else None,
            "next_path": next_path_of(query.next),
            "held": things_of(held.contributions, held.badges, held.chats),
            "held_count": held.contributions + held.badges + held.chats,
            "trouble": None if query.trouble is None else query.trouble.value,
            "with_whom": self._label(query.provider),
            "through": [self._label(name) for name in (query.through or "").split(",") if self._label(name)],
        }
        return keeping_opener(await self._welcoming.page(request, "signin.html", context), next_path_of(query.next))

    @described(
        Operation(
            PAGES,
            {
                200: Answer("A page that leads on to the provider.", media_type=HTML),
                303: Answer("Back to the page: the provider cannot be reached.", media_type=None),
            },
            path=ProviderNamePath,
            refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.UNAVAILABLE),
            counts_as=Action.SIGN_INS,
        )
    )
    async def begin_sign_in(self, request: Request) -> Response:
        """`POST /signin/{provider}`: the form of that page, with `next`; with `intent` = link it adds an account.

        It needs the Origin of one of our own pages, and for linking a session that is signed in.
        """
        origin = self._callers.require_own_origin(request)
        provider = self._signing_in.provider(request.path_params["provider"])
        fields = await read_form(request)
        links_to = None
        if fields.get("intent") == LINK:
            links_to = (await self._callers.require_writer(request)).identity.user_id
            if links_to is None:
                raise Refusal(Code.UNAUTHORIZED, "Only who is signed in can link an account.")
        next_path = next_path_of(fields.get("next", "/"))
        try:
            attempt, url = await self._signing_in.depart(
                provider,
                f"{origin}/signin/{provider.name}/callback",
                until_seconds=self._attempts.until_seconds(),
                next_path=next_path,
                links_to=links_to,
            )
        except SignInFailed as failure:
            return keeping_opener(_failed(provider, failure, next_path, is_link=links_to is not None), next_path)
        context = {"url": url, "label": provider.label}
        page = await self._welcoming.page(request, "signin-departure.html", context)
        page.headers["cache-control"] = "no-store"  # its link leads there once
        self._attempts.add(request, page, attempt)
        return keeping_opener(page, next_path)

    @described(
        Operation(
            PAGES,
            {303: Answer("To where it leads, signed in; to the page where it came to nothing.", media_type=None)},
            path=ProviderNamePath,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            counts_as=Action.SIGN_INS,
        )
    )
    async def finish_sign_in(self, request: Request) -> Response:
        """`GET /signin/{provider}/callback`: back from the provider, with `code` and `state`, or with `error`."""
        provider = self._signing_in.provider(request.path_params["provider"])
        answer = answer_of(request.query_params.multi_items())
        # A HEAD request is nobody's return: it may not use the code up.
        attempt = self._attempts.find(request, answer.get("state", "")) if request.method == "GET" else None
        caller = await self._visitors.find(request)
        try:
            arrival = await self._signing_in.arrive(
                provider, answer, attempt, caller=caller, device=device_of(request.headers.get("user-agent"))
            )
        except SignInFailed as failure:
            next_path = "/" if attempt is None else attempt.next_path
            # Who is not signed in any more could not see the page of accounts.
            is_link = attempt is not None and attempt.links_to is not None
            is_seen = caller is not None and caller.user_id is not None
            response = _failed(provider, failure, next_path, is_link=is_link and is_seen)
        else:
            assert attempt is not None
            response = self._arrived(arrival, attempt.next_path)
        if attempt is not None:
            self._attempts.remove(response, attempt)
            return keeping_opener(response, attempt.next_path)
        return response

    def _arrived(self, arrival: Arrival, next_path: str) -> Response:
        response = _see(_onward(arrival, next_path))
        if arrival.signed_in is not None:
            self._cookie.write(response, arrival.signed_in.token)
            response.set_cookie(
                LAST_NAME,
                arrival.provider.name,
                max_age=LAST_SECONDS,
                path="/",
                secure=self._cookie.secure,
                httponly=True,
                samesite="lax",
            )
        self._notices.leave(response, told_of(arrival))
        return response

    def _label(self, name: str | None) -> str | None:
        provider = self._signing_in.providers.get(name or "")
        return None if provider is None else provider.label


def _failed(provider: Provider, failure: SignInFailed, next_path: str, *, is_link: bool) -> Response:
    words = {"trouble": failure.trouble.value, "provider": provider.name}
    if failure.through:
        words["through"] = ",".join(failure.through)
    if is_link:
        return _see(f"{ACCOUNTS_PATH}?{urlencode(words)}")
    return _see(f"/signin?{urlencode(words | ({'next': next_path} if next_path != '/' else {}))}")


def _onward(arrival: Arrival, next_path: str) -> str:
    """Where it leads: whoever has no username may choose one first."""
    if arrival.signed_in is None or arrival.signed_in.identity.name is not None:
        return next_path
    return f"{WELCOME_PATH}?{urlencode({'next': next_path})}"


def _see(path: str) -> Response:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER.value, {"cache-control": "no-store"})
