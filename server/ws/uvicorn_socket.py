"""uvicorn's websocket, and the two things that it cannot do: let go of a peer that does not read, and send a text
without a task that waits.

uvicorn's `send` waits until the socket can be written to, closing included, and its transport keeps what was written
until it is read, a closed one too. A peer that never reads would hold both for ever.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.types import Scope
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

LINGER_SECONDS: Final = 10.0
"""What a slow peer gets to read the rest and the close code; then the connection is cut."""

_EXTENSION: Final = "tallylight"
_FINAL_TEXT: Final = 0x81
"""The first byte of a text frame that is a whole message (RFC 6455, section 5.2)."""
SHORT_BYTES: Final = 126
"""The length of a shorter payload is the second byte itself."""
_SHORT_HEADS: Final = [bytes((_FINAL_TEXT, size_bytes)) for size_bytes in range(SHORT_BYTES)]

SendNow = Callable[[str], bool]
"""Sends a text at once, without waiting; False: the socket cannot be written to yet, and nothing has happened."""


def _always() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(frozen=True, slots=True)
class DirectLine:
    """What a websocket can do beyond ASGI; the defaults are of a server that is not ours.

    Attributes:
        send_now: see `SendNow`.
        writable: set while what is sent need not wait for the peer to read.
    """

    send_now: SendNow = lambda text: False
    writable: asyncio.Event = field(default_factory=_always)


def direct_line_of(scope: Scope) -> DirectLine:
    """What the websocket with this scope can do."""
    extensions: dict[str, Any] = scope.get("extensions", {})
    line: DirectLine = extensions.get(_EXTENSION, {}).get("line") or DirectLine()
    return line


class UvicornSocket(WebSocketsSansIOProtocol):
    """A websocket that can be closed while it cannot be written to, and written to without waiting."""

    _owed_pong = b""

    async def run_asgi(self) -> None:
        """Run the application, which finds a `DirectLine` in its scope."""
        self.scope["extensions"][_EXTENSION] = {"line": DirectLine(self.send_now, self.writable)}
        await super().run_asgi()

    def send_now(self, text: str) -> bool:
        """See `SendNow`. A frame of the server is its length and the text: nothing is masked and nothing compressed."""
        if self.conn.state is not State.OPEN or not self.writable.is_set() or self.transport.is_closing():
            return False
        payload = text.encode()
        size_bytes = len(payload)
        head = _SHORT_HEADS[size_bytes] if size_bytes < SHORT_BYTES else _long_head(size_bytes)
        self.transport.write(head + payload)
        return True

    async def send(self, message: ASGISendEvent) -> None:
        """Send as uvicorn does; a close goes out behind what is buffered, without waiting for it.

        Raises:
            ClientDisconnected: the connection is lost, or on its way out.
        """
        if not self.handshake_complete:
            await super().send(message)
        elif self.close_sent:
            raise ClientDisconnected
        elif message["type"] == "websocket.close":
            self._close(message.get("code", CloseCode.NORMAL_CLOSURE), message.get("reason") or "")
        else:
            await super().send(message)

    def keepalive_timeout(self) -> None:
        """The peer answers no ping: it is gone for the application at once."""
        self.stop_keepalive()
        self._close(CloseCode.INTERNAL_ERROR, "keepalive ping timeout")

    def handle_close(self, event: Frame) -> None:
        """The peer closes: it has so long to read the rest."""
        super().handle_close(event)
        self._cut_off_later()

    def handle_parser_exception(self) -> None:
        """The peer sends what is no frame: it has so long to read the rest."""
        super().handle_parser_exception()
        self._cut_off_later()

    def handle_ping(self) -> None:
        """Answer; to a peer that does not read only the newest pings, once it does (RFC 6455, section 5.5.3)."""
        pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pong)
        elif pong:
            self._owed_pong = pong

    def resume_writing(self) -> None:
        """The peer reads again."""
        super().resume_writing()
        pong, self._owed_pong = self._owed_pong, b""
        if pong and self.conn.state is State.OPEN:
            self.transport.write(pong)

    def _close(self, code: int, reason: str) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._cut_off_later()

    def _cut_off_later(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)


def _long_head(size_bytes: int) -> bytes:
    """What stands before a payload of this size (RFC 6455, section 5.2)."""
    if size_bytes < 65_536:
        return bytes((_FINAL_TEXT, 126)) + size_bytes.to_bytes(2)
    return bytes((_FINAL_TEXT, 127)) + size_bytes.to_bytes(8)
