"""uvicorn's websocket, but for the one thing that it cannot do: let go of a peer that does not read.

uvicorn's `send` waits until the socket can be written to, closing included, and its transport keeps what was written
until it is read. A peer that never reads would hold both for ever.
"""

from typing import Final

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_SECONDS: Final = 10.0
"""What a slow peer gets to read the rest and the close code; then the connection is cut."""


class UvicornSocket(WebSocketsSansIOProtocol):
    """A websocket that can be closed while it cannot be written to."""

    async def send(self, message: ASGISendEvent) -> None:
        """Send as uvicorn does; a close goes out behind what is buffered, without waiting for it."""
        if message["type"] == "websocket.close" and self.handshake_complete and not self.writable.is_set():
            self._close_blocked(message["code"])
        else:
            await super().send(message)

    def _close_blocked(self, code: int) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})
        self.conn.send_close(code)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)
