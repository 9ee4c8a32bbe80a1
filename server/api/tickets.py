"""Tickets over REST: for whoever opens a websocket without a cookie."""

from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.bodies import read_body
from server.api.operations import Answer, Operation, described
from server.api.queries import json_answer
from server.auth.callers import Callers
from server.auth.tickets import TICKET_SECONDS, Tickets
from server.channels.catalog import Catalog
from server.domain.errors import Code, Refusal
from server.domain.rates import Action
from server.domain.scopes import Scope


class TicketRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What a ticket is asked for.

    Attributes:
        channel: handle, in any case, or id of the only channel that the socket will use.
    """

    channel: Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["deep-sea-lab"])]


class TicketAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A ticket for one websocket.

    Attributes:
        ticket: for `hello`, or behind `t.` as a second subprotocol of the handshake; never for an address.
        expires_in: how many seconds it can be used, once.
    """

    ticket: str
    expires_in: int


class TicketEndpoints:
    """`/api/ws-tickets`."""

    def __init__(self, tickets: Tickets, catalog: Catalog, callers: Callers) -> None:
        self._tickets = tickets
        self._catalog = catalog
        self._callers = callers

    @described(
        Operation(
            "Chats",
            {200: Answer(shape=TicketAnswer)},
            body=TicketRequest,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.TICKETS,
            scope=Scope.READ,
        )
    )
    async def create_ticket(self, request: Request) -> Response:
        """`POST /api/ws-tickets`: a ticket, for the caller and one channel, to open a websocket with."""
        writer = await self._callers.require_writer(request)
        asked = await read_body(request, TicketRequest)
        channel = await self._catalog.find(asked.channel)
        if channel is None:
            raise Refusal(Code.NOT_FOUND, "There is no such channel.")
        ticket = await self._tickets.issue(writer.identity, writer.origin, channel.id)
        return json_answer(TicketAnswer(ticket, TICKET_SECONDS))
