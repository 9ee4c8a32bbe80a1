"""One's own sessions: listed, ended one by one or all others at once, and the way out."""

from datetime import datetime
from http import HTTPStatus
from typing import Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from server.api.cursors import Cursors, list_name_of
from server.api.forms import read_form
from server.api.operations import HTML, PAGES, Access, Answer, Operation, described
from server.api.paths import SessionPath
from server.api.queries import CursorText, ListQuery, json_answer, read_query
from server.api.session_status import status_of
from server.api.welcoming import Welcoming
from server.auth.callers import Callers
from server.auth.own_sessions import OwnSession, OwnSessions
from server.auth.visitors import Visitors
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.rates import Action

SESSIONS_SHOWN_MAX: Final = 20
"""Sessions on one page."""
OTHERS: Final = "others"
"""What the form of the page sends in the place of an id, to end all sessions but its own."""


class SessionAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A live session of the caller's.

    Attributes:
        id: to end it by.
        device: a short name of the browser; null: it did not say.
        created_at: when it began.
        last_seen_at: when it was used last, to some minutes.
        signed_in_at: when the user signed in with it last; null: a visitor's.
        current: whether it is the one that asks.
    """

    id: UUID
    device: str | None
    created_at: datetime
    last_seen_at: datetime
    signed_in_at: datetime | None
    current: bool


class SessionList(msgspec.Struct, frozen=True, rename="camel"):
    """A page of the caller's live sessions.

    Attributes:
        items: the one used last first.
        next_cursor: the `cursor` of the following page; null: this is the last one.
        prev_cursor: the `cursor` of the page before; null: this is the first one.
    """

    items: list[SessionAnswer]
    next_cursor: str | None
    prev_cursor: str | None


class EndedSessions(msgspec.Struct, frozen=True, rename="camel"):
    """What became of the other sessions.

    Attributes:
        ended: how many there were.
    """

    ended: int


class SessionsPageQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What `GET /me/sessions` takes.

    Attributes:
        cursor: as that of the API's list.
    """

    cursor: CursorText | None = None


class SessionEndpoints:
    """`/session`, `/api/me/sessions`, `/me/sessions` and `/signout`."""

    def __init__(
        self,
        own: OwnSessions,
        callers: Callers,
        visitors: Visitors,
        cursors: Cursors,
        welcoming: Welcoming,
    ) -> None:
        self._own = own
        self._callers = callers
        self._visitors = visitors
        self._cursors = cursors
        self._welcoming = welcoming

    @described(
        Operation(
            PAGES,
            {
                200: Answer("The part of a page.", media_type=HTML),
                204: Answer("Not known: a sign-in has just replaced the token of the request.", media_type=None),
            },
            refusals=(Code.UNAVAILABLE,),
            shows_own=True,
        )
    )
    async def session(self, request: Request) -> Response:
        """`GET /session`: what the bar says of who is signed in, also where nobody is. A page that stays open asks when
        it is seen again, or hears of a change; it begins no session."""
        identity = await self._visitors.find(request)
        if identity is None and await self._visitors.is_replaced(request):
            return Response(None, HTTPStatus.NO_CONTENT.value)
        return self._welcoming.part(request, "session.html", status_of(identity))

    @described(
        Operation(
            "Account",
            {200: Answer(shape=SessionList)},
            query=ListQuery,
            refusals=(Code.FORBIDDEN, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.LISTS,
            access=Access.PERSON,
        )
    )
    async def list_sessions(self, request: Request) -> Response:
        """`GET /api/me/sessions`: the caller's live sessions, the one used last first.

        A user has one for each browser, a visitor this one alone.
        """
        identity = await self._callers.require(request)
        return json_answer(await self._list(identity, read_query(request, ListQuery)))

    @described(
        Operation(
            "Account",
            {204: Answer("It has ended.", media_type=None)},
            path=SessionPath,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.PERSON,
        )
    )
    async def end_session(self, request: Request) -> Response:
        """`DELETE /api/me/sessions/{id}`: ends a session of the caller's. Its cookie opens nothing any more, and its
        sockets are closed 4004 within a second."""
        identity = (await self._callers.require_writer(request)).identity
        await self._end(identity, request.path_params["id"])
        return Response(None, HTTPStatus.NO_CONTENT.value)

    @described(
        Operation(
            "Account",
            {200: Answer(shape=EndedSessions)},
            refusals=(Code.FORBIDDEN, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.PERSON,
        )
    )
    async def end_other_sessions(self, request: Request) -> Response:
        """`DELETE /api/me/sessions`: ends all sessions of the caller's but the one that asks."""
        identity = (await self._callers.require_writer(request)).identity
        return json_answer(EndedSessions(await self._own.end_others(identity)))

    @described(
        Operation(
            PAGES,
            {200: Answer("The page.", media_type=HTML)},
            query=SessionsPageQuery,
            refusals=(Code.UNAVAILABLE,),
            begins_session=True,
            shows_own=True,
        )
    )
    async def sessions_page(self, request: Request) -> Response:
        """`GET /me/sessions`: the caller's sessions, with the forms that end them."""
        identity = await self._visitors.find(request)
        query = read_query(request, SessionsPageQuery, only_known=True)
        found = SessionList([], None, None)
        if identity is not None:
            found = await self._list(identity, ListQuery(limit=SESSIONS_SHOWN_MAX, cursor=query.cursor))
        return await self._welcoming.page(request, "sessions.html", {"sessions": found})

    @described(
        Operation(
            PAGES,
            {303: Answer("Back to the page; to the first one, where one's own session has ended.", media_type=None)},
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            access=Access.PERSON,
        )
    )
    async def end_on_page(self, request: Request) -> Response:
        """`POST /me/sessions`: the form of that page, with `end`: the id of a session, or `others`."""
        identity = (await self._callers.require_writer(request)).identity
        ended = (await read_form(request)).get("end", "")
        if ended == OTHERS:
            await self._own.end_others(identity)
        else:
            await self._end(identity, ended)
        if ended == str(identity.session_id):
            return await self._begin_anew(request)
        return RedirectResponse("/me/sessions", HTTPStatus.SEE_OTHER.value)

    @described(
        Operation(
            PAGES,
            {303: Answer("To the first page, as a new visitor.", media_type=None)},
            refusals=(Code.FORBIDDEN, Code.CONFLICT, Code.UNAVAILABLE),
        )
    )
    async def sign_out(self, request: Request) -> Response:
        """`POST /signout`: ends the caller's session and begins a visitor's, whoever the caller was. What a visitor had
        in the old one stays there, and nobody can come back to it."""
        identity = await self._callers.find_browser(request)
        if identity is not None:
            await self._own.end(identity, identity.session_id)
        return await self._begin_anew(request)

    async def _begin_anew(self, request: Request) -> Response:
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER.value)
        self._visitors.remember(await self._visitors.begin(request), response)
        return response

    async def _list(self, identity: Identity, query: ListQuery) -> SessionList:
        list_name = list_name_of("own sessions", str(identity.user_id or identity.session_id))
        page = await self._own.page(identity, self._cursors.open(list_name, query.cursor), limit=query.limit)
        following, previous = self._cursors.seal(list_name, page.next), self._cursors.seal(list_name, page.previous)
        return SessionList([_answer_of(one, identity) for one in page.items], following, previous)

    async def _end(self, identity: Identity, text: str) -> None:
        session_id = _id_of(text)
        if session_id is None or not await self._own.end(identity, session_id):
            raise Refusal(Code.NOT_FOUND, "You have no such session.")


def _id_of(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _answer_of(one: OwnSession, identity: Identity) -> SessionAnswer:
    is_current = one.id == identity.session_id
    return SessionAnswer(one.id, one.device, one.created_at, one.last_seen_at, one.signed_in_at, is_current)
