"""The handshake at `/ws`: who may open a socket here, decided before its first frame."""

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from server.auth.addresses import AddressDigests, ClientAddresses, subscriber_of
from server.auth.cookies import SessionCookie
from server.auth.origins import Origins
from server.auth.rate_limits import RateLimits
from server.chats.nodes import Node
from server.domain.errors import Code, Refusal
from server.domain.identity import IdentityKind
from server.domain.rates import Action
from server.storage.settings import LiveSettings
from server.ws.close_codes import CloseCode
from server.ws.connection import CarryOut, Connection, Entry
from server.ws.door import Door, Guest, ticket_among
from server.ws.protocol import SUBPROTOCOL
from server.ws.sockets import Sockets
from server.ws.uvicorn_socket import direct_line_of

RETRY_AFTER_SECONDS: Final = 2
CONN_ID_BYTES: Final = 9

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EndpointDeps:
    """What the handshake works with."""

    node: Node
    carry_out: CarryOut
    sockets: Sockets
    settings: LiveSettings
    origins: Origins
    cookie: SessionCookie
    door: Door
    addresses: ClientAddresses
    digests: AddressDigests
    limits: RateLimits
    is_draining: Callable[[], bool]


class Endpoint:
    """The ASGI application behind `/ws`."""

    def __init__(self, deps: EndpointDeps) -> None:
        self._deps = deps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one websocket from its handshake to its end."""
        connect = await receive()
        if connect["type"] != "websocket.connect":
            return
        if SUBPROTOCOL not in scope["subprotocols"]:
            await PlainTextResponse(f"Offer the subprotocol {SUBPROTOCOL}.", 400)(scope, receive, send)
        elif self._deps.is_draining() or self._deps.sockets.is_full:
            full = Refusal(Code.OVERLOADED, "This server takes no more sockets. Try again.")
            await _refuse(scope, receive, send, full)
        else:
            try:
                guest = await self._look(scope)
                await self._limit(scope, guest)
            except Refusal as refusal:
                await _refuse(scope, receive, send, refusal)
                return
            await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL, "headers": []})
            if isinstance(guest, CloseCode):
                await send({"type": "websocket.close", "code": int(guest)})
            else:
                await self._serve(scope, receive, send, guest)

    async def _look(self, scope: Scope) -> Guest | CloseCode | None:
        """Who the handshake says this is; None: `hello` will tell.

        Raises:
            Refusal: unavailable, a ticket cannot be looked up.
        """
        headers = Headers(scope=scope)
        ticket = ticket_among(scope["subprotocols"])
        if ticket is not None:
            return await self._deps.door.by_ticket(ticket, headers.get("origin"))
        has_cookie = self._deps.cookie.read(HTTPConnection(scope)) is not None
        if (has_cookie or "origin" in headers) and not self._deps.origins.allows(headers):
            return CloseCode.NO_IDENTITY
        return None

    async def _limit(self, scope: Scope, guest: Guest | CloseCode | None) -> None:
        """Count the handshake for its address. A key's is not: its ticket was counted when it was made.

        Raises:
            Refusal: rate_limited.
        """
        if not isinstance(guest, Guest) or guest.identity.kind is not IdentityKind.KEY:
            await self._deps.limits.check_address(Action.SOCKETS, HTTPConnection(scope))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, guest: Guest | None) -> None:
        http = HTTPConnection(scope)
        address = self._deps.addresses.of(http)
        connection = Connection(
            receive,
            send,
            line=direct_line_of(scope),
            lease=self._deps.node,
            carry_out=self._deps.carry_out,
            settings=self._deps.settings.current,
            conn_id=f"c_{secrets.token_urlsafe(CONN_ID_BYTES)}",
            entry=Entry(guest, self._deps.cookie.read(http), http.headers.get("origin")),
            address=subscriber_of(address),
            address_digest=lambda: self._deps.digests.of(address, datetime.now(UTC).date()),
        )
        if not self._deps.sockets.add(connection, self._deps.settings.current):
            await send({"type": "websocket.close", "code": int(CloseCode.TOO_MANY_SOCKETS)})
            return
        try:
            await connection.run()
        except* Exception:
            log.exception("socket_failed", conn=connection.conn_id)
            await send({"type": "websocket.close", "code": int(CloseCode.INTERNAL)})
        finally:
            self._deps.sockets.remove(connection)


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal) -> None:
    """Answer the handshake with HTTP (RFC 6455, section 4.2.2); a browser sees that it failed, a program why."""
    after_seconds = math.ceil(refusal.after_seconds or RETRY_AFTER_SECONDS)
    status = 429 if refusal.code is Code.RATE_LIMITED else 503
    await PlainTextResponse(refusal.message, status, {"Retry-After": str(after_seconds)})(scope, receive, send)
