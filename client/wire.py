"""One websocket: the handshake, texts in both directions, and its end, told once.

It is the sans-I/O protocol of `websockets` on asyncio's transport, by callbacks alone. A task for each connection and a
future for each message would cost several times what is done here for a token, and a load tester has thousands.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Close, Frame, Opcode
from websockets.typing import Origin, Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from client.errors import ABNORMAL, End

SUBPROTOCOL: Final = "tallylight.v1"
MESSAGE_BYTES_MAX: Final = 1024 * 1024
"""The server keeps its frames below 256 KiB."""
CLOSE_SECONDS: Final = 2.0
"""What the server gets to end a connection that is closed; then it is cut."""

_DATA: Final = frozenset({Opcode.TEXT, Opcode.CONT})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a gateway is.

    Attributes:
        url: its http or https address, with a path if it does not stand at the root.
        local_host: the address of this machine to connect from; None: the system chooses.
    """

    url: str
    local_host: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no address.

        Raises:
            ValueError: it is not http or https, or names no host.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
            raise ValueError(f"not the address of a server: {self.url!r}")

    @property
    def websocket(self) -> WebSocketURI:
        """The websocket of this gateway."""
        return parse_uri("ws" + self.url.rstrip("/").removeprefix("http") + "/ws")


@dataclass(frozen=True, slots=True)
class Pass:
    """What says who is connecting.

    Attributes:
        ticket: None where a cookie says who this is. It goes into the handshake: there alone a socket is a key's from
            the beginning, and not one more of its address.
        origin: of the page; None sends none, which needs a ticket.
        headers: more of them, such as the cookie.
    """

    ticket: str | None = None
    origin: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def subprotocols(self) -> list[Subprotocol]:
        """What the handshake offers."""
        ticket = [] if self.ticket is None else [Subprotocol(f"t.{self.ticket}")]
        return [Subprotocol(SUBPROTOCOL), *ticket]


class Receiver(Protocol):
    """Who is told what happens on a wire; called from the loop."""

    def wire_opened(self) -> None:
        """The handshake is done."""

    def wire_heard(self, text: bytes | bytearray) -> None:
        """A text came, as UTF-8."""

    def wire_ended(self, end: End) -> None:
        """It is over; nothing more comes. This is called once."""


class Wire(asyncio.Protocol):
    """One websocket of a client."""

    def __init__(self, address: Address, entry: Pass, receiver: Receiver) -> None:
        """Nothing is connected before `connect`.

        Args:
            address: of the gateway.
            entry: says who this is.
            receiver: is told what happens.
        """
        self._uri = address.websocket
        self._local_host = address.local_host
        self._entry = entry
        self._receiver = receiver
        self._websocket = ClientProtocol(
            self._uri,
            origin=None if entry.origin is None else Origin(entry.origin),
            subprotocols=entry.subprotocols,
            max_size=MESSAGE_BYTES_MAX,
        )
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes | bytearray] = []
        self._has_ended = False
        self._cut_timer: asyncio.TimerHandle | None = None

    async def connect(self) -> None:
        """Connect, and begin the handshake. The receiver may be told how that went before this returns.

        Raises:
            OSError: nobody answers there.
        """
        uri = self._uri
        await asyncio.get_running_loop().create_connection(
            lambda: self,
            uri.host,
            uri.port,
            ssl=trusted_authorities() if uri.secure else None,
            server_hostname=uri.host if uri.secure else None,
            local_addr=None if self._local_host is None else (self._local_host, 0),
        )

    def send(self, text: bytes) -> None:
        """Send a text; nothing happens when the wire is closing, as its end is told soon."""
        if not self._websocket.close_expected() and not self._has_ended:
            self._websocket.send_text(text)
            self._flush()

    def close(self, code: int, reason: str = "") -> None:
        """End it properly: `wire_ended` comes when the server agrees, or after `CLOSE_SECONDS`."""
        if self._websocket.handshake_exc is None and not self._websocket.close_expected() and not self._has_ended:
            self._websocket.send_close(code, reason)
            self._flush()
            self._cut_later()

    def drop(self, reason: str) -> None:
        """End it now, without a word: the server does not answer, or talks nonsense."""
        self._end(End(ABNORMAL, reason))
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        request = self._websocket.connect()
        for name, value in self._entry.headers.items():
            request.headers[name] = value
        self._websocket.send_request(request)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take what the network brings."""
        websocket = self._websocket
        websocket.receive_data(data)
        for event in websocket.events_received():
            if not isinstance(event, Frame):
                if websocket.handshake_exc is None:
                    self._receiver.wire_opened()
            elif event.opcode in _DATA:
                self._take(event)
            elif event.opcode is Opcode.CLOSE:
                self._end(_end_of(websocket.close_rcvd))
        self._flush()
        if websocket.handshake_exc is not None:
            self._end(_end_of_handshake(websocket.handshake_exc))
        elif websocket.parser_exc is not None:
            self._end(End(ABNORMAL, str(websocket.parser_exc)))
        if websocket.close_expected():
            self._cut_later()

    def eof_received(self) -> None:
        """The server sends nothing more; the transport closes after this."""
        self._websocket.receive_eof()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if self._cut_timer is not None:
            self._cut_timer.cancel()
        self._end(End(ABNORMAL, str(error or "the connection broke")))

    def _take(self, frame: Frame) -> None:
        if self._has_ended:
            return
        data = bytes(frame.data) if isinstance(frame.data, memoryview) else frame.data
        if not frame.fin or self._parts:
            self._parts.append(data)
            if not frame.fin:
                return
            data = b"".join(self._parts)
            self._parts.clear()
        self._receiver.wire_heard(data)

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._websocket.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()

    def _end(self, end: End) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._receiver.wire_ended(end)

    def _cut_later(self) -> None:
        if self._cut_timer is None and self._transport is not None:
            self._cut_timer = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)


@cache
def trusted_authorities() -> ssl.SSLContext:
    """Those of the system; reading them takes milliseconds."""
    return ssl.create_default_context()


def _end_of(close: Close | None) -> End:
    return End(ABNORMAL) if close is None else End(close.code, close.reason)


def _end_of_handshake(error: Exception) -> End:
    if not isinstance(error, InvalidStatus):
        return End(ABNORMAL, str(error))
    response = error.response
    after = response.headers.get("Retry-After", "")
    reason = f"the server answered the handshake with {response.status_code} {response.reason_phrase}"
    return End(ABNORMAL, reason, response.status_code, float(after) if after.isdecimal() else 0.0)
