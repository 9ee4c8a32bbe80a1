"""Tickets over REST: for whoever opens a websocket without a cookie."""

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.bodies import read_body
from server.api.embed_cors import listed_origin
from server.api.operations import Access, Answer, Operation, described
from server.api.queries import json_answer
from server.auth.callers import Callers, brings_key
from server.auth.rate_limits import RateLimits
from server.auth.sessions import Frame, Sessions
from server.auth.tickets import TICKET_SECONDS, Tickets
from server.channels.catalog import Catalog, Channel
from server.domain.devices import device_of
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.rates import Action
from server.domain.scopes import Scope

EMBED_SESSION_CHARACTERS_MAX = 64


class TicketRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What a ticket is asked for.

    Attributes:
        channel: handle, in any case, or id of the only channel that the socket will use.
        embed_session: of a chat on another site, as an earlier answer gave it; then no cookie is looked at.
    """

    channel: Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["deep-sea-lab"])]
    embed_session: Annotated[str, msgspec.Meta(max_length=EMBED_SESSION_CHARACTERS_MAX)] | None = None


class TicketAnswer(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A ticket for one websocket.

    Attributes:
        ticket: for `hello`, or behind `t.` as a second subprotocol of the handshake; never for an address.
        expires_in: how many seconds it can be used, once.
        embed_session: for the next request, where a visitor's session was begun for this one: keep it, nothing tells it
            again. Absent: the caller's goes on.
    """

    ticket: str
    expires_in: int
    embed_session: str | None = None


class TicketEndpoints:
    """`/api/ws-tickets`."""

    def __init__(
        self, tickets: Tickets, sessions: Sessions, catalog: Catalog, callers: Callers, limits: RateLimits
    ) -> None:
        self._tickets = tickets
        self._sessions = sessions
        self._catalog = catalog
        self._callers = callers
        self._limits = limits

    @described(
        Operation(
            "Chats",
            {200: Answer(shape=TicketAnswer)},
            body=TicketRequest,
            refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            shows_own=True,
            counts_as=Action.TICKETS,
            scope=Scope.READ,
            access=Access.EMBED,
        )
    )
    async def create_ticket(self, request: Request) -> Response:
        """`POST /api/ws-tickets`: a ticket, for the caller and one channel, to open a websocket with.

        The caller is an API key; or whoever's session the cookie is, on one of our own pages; or, without a cookie, on
        one of our own pages in a frame and on a page of an origin that the channel lists, the visitor of
        `embedSession`. Where that is missing or has ended a new visitor's begins.
        """
        asked = await read_body(request, TicketRequest)
        channel = await self._catalog.find(asked.channel)
        if channel is None:
            raise Refusal(Code.NOT_FOUND, "There is no such channel.")
        if brings_key(request):
            return await self._of_key(request, asked, channel)
        origin = _origin_of(request, channel)
        identity, embed_session = await self._of_page(request, asked, Frame(channel.id, origin))
        await self._limits.check_caller(Action.TICKETS, identity)
        ticket = await self._tickets.issue(identity, origin, channel.id)
        return json_answer(TicketAnswer(ticket, TICKET_SECONDS, embed_session))

    async def _of_key(self, request: Request, asked: TicketRequest, channel: Channel) -> Response:
        if asked.embed_session is not None:
            raise Refusal(Code.BAD_REQUEST, "embedSession is for pages, not for API keys.")
        identity = await self._callers.require(request)
        await self._limits.check_caller(Action.TICKETS, identity)
        ticket = await self._tickets.issue(identity, None, channel.id)
        return json_answer(TicketAnswer(ticket, TICKET_SECONDS))

    async def _of_page(self, request: Request, asked: TicketRequest, frame: Frame) -> tuple[Identity, str | None]:
        """Who asks, and the token of a session that was begun for them."""
        if asked.embed_session is None and listed_origin(request.scope) is None:
            identity = await self._callers.find(request)
            if identity is not None:
                return identity, None
        identity = await self._sessions.find(asked.embed_session, frame)
        if identity is not None:
            return identity, None
        return await self._sessions.create_visitor(device_of(request.headers.get("user-agent")), frame=frame)


def _origin_of(request: Request, channel: Channel) -> str:
    """The origin of the page that asks: one of ours, or one that this very channel lists.

    Raises:
        Refusal: forbidden, another channel lists it.
    """
    listed = listed_origin(request.scope)
    if listed is not None and listed not in channel.embed_origins:
        raise Refusal(Code.FORBIDDEN, "The pages of this site may not show this channel's chat.")
    return listed or request.headers["origin"]
