"""uvicorn's websocket and a peer that does not read, on a real socket: it is let go, and it cannot fill the memory."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from websockets.frames import Close, Frame, Opcode

from server.ws import uvicorn_socket
from server.ws.uvicorn_socket import UvicornSocket
from tests.support.waiting import eventually

LINGER_SECONDS: Final = 0.2
PING_SECONDS: Final = 0.1
MORE_THAN_THE_KERNEL_TAKES_BYTES: Final = 8 * 1024 * 1024
BUFFERED_BYTES_MAX: Final = 512 * 1024
"""What uvicorn may hold of pongs: one read of the peer's pings."""


@dataclass
class Application:
    """Accepts, sends what it is told to, and keeps what it hears."""

    heard: list[Message] = field(default_factory=list)
    send: Send | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One websocket until it is gone."""
        await receive()
        await send({"type": "websocket.accept"})
        self.send = send
        while not self.is_over:
            self.heard.append(await receive())

    @property
    def is_over(self) -> bool:
        """Whether it has heard that the peer is gone."""
        return any(message["type"] == "websocket.disconnect" for message in self.heard)


@dataclass
class Line:
    """A peer that reads only when it is told to, and the server's end of its connection."""

    application: Application
    protocol: UvicornSocket
    peer: socket.socket

    @property
    def buffered_bytes(self) -> int:
        """What the server holds for the peer."""
        return self.protocol.transport.get_write_buffer_size()

    async def clog(self) -> None:
        """Send more than anybody takes who does not read."""
        assert self.application.send is not None
        await self.application.send({"type": "websocket.send", "text": "x" * MORE_THAN_THE_KERNEL_TAKES_BYTES})
        await eventually(lambda: not self.protocol.writable.is_set())

    async def say(self, opcode: Opcode, payload: bytes, times: int = 1) -> None:
        """Send a frame as the peer."""
        await self.say_bytes(Frame(opcode, payload).serialize(mask=True) * times)

    async def say_bytes(self, raw: bytes) -> None:
        """Send bytes that may be no frame."""
        await asyncio.get_running_loop().sock_sendall(self.peer, raw)

    async def read_until(self, part: bytes) -> None:
        """Read as the peer, up to these bytes."""
        tail = b""
        async with asyncio.timeout(10):
            while part not in tail:
                data = await asyncio.get_running_loop().sock_recv(self.peer, 1024 * 1024)
                assert data, "the server has closed"
                tail = tail[-len(part) :] + data


@asynccontextmanager
async def opened(ping_seconds: float | None) -> AsyncIterator[Line]:
    """Run uvicorn in this loop, and connect."""
    application = Application()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            ws=UvicornSocket,
            ws_ping_interval=ping_seconds,
            ws_ping_timeout=ping_seconds,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
    )
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        serving = group.create_task(server._serve([listener]))
        peer = stack.enter_context(socket.socket())
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        await asyncio.get_running_loop().sock_connect(peer, listener.getsockname())
        head = (
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await asyncio.get_running_loop().sock_sendall(peer, head.encode())
        await eventually(lambda: application.send is not None)
        (protocol,) = (one for one in server.server_state.connections if isinstance(one, UvicornSocket))
        line = Line(application, protocol, peer)
        await line.read_until(b"\r\n\r\n")
        yield line
        protocol.transport.abort()
        server.should_exit = True
        await serving


@pytest.fixture(autouse=True)
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ten seconds here."""
    monkeypatch.setattr(uvicorn_socket, "LINGER_SECONDS", LINGER_SECONDS)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """A connection without pings of the server."""
    async with opened(None) as made:
        yield made


async def test_who_neither_reads_nor_answers_pings_is_gone_for_the_application_and_then_for_the_socket() -> None:
    async with opened(PING_SECONDS) as line:
        await line.clog()
        await eventually(lambda: line.application.is_over)
        assert line.application.heard[-1]["code"] == 1011
        await eventually(lambda: line.protocol.disconnected)


async def test_a_closed_peer_that_does_not_read_is_cut_off(line: Line) -> None:
    assert line.application.send is not None
    await line.application.send({"type": "websocket.send", "text": "x" * 100})
    assert line.protocol.writable.is_set()
    line.protocol.transport.set_write_buffer_limits(high=2 * MORE_THAN_THE_KERNEL_TAKES_BYTES)
    await line.application.send({"type": "websocket.send", "text": "x" * MORE_THAN_THE_KERNEL_TAKES_BYTES})
    await line.application.send({"type": "websocket.close", "code": 4001})
    await eventually(lambda: line.protocol.disconnected)


async def test_a_peer_that_closes_and_does_not_read_is_cut_off(line: Line) -> None:
    await line.clog()
    await line.say(Opcode.CLOSE, Close(1000, "").serialize())
    await eventually(lambda: line.protocol.disconnected)


async def test_a_peer_that_sends_no_frames_and_does_not_read_is_cut_off(line: Line) -> None:
    await line.clog()
    await line.say_bytes(b"\xff" * 8)
    await eventually(lambda: line.protocol.disconnected)


async def test_what_is_sent_after_a_close_is_sent_to_nobody(line: Line) -> None:
    assert line.application.send is not None
    await line.application.send({"type": "websocket.close", "code": 4001})
    with pytest.raises(OSError):  # noqa: PT011 - as ASGI has it
        await line.application.send({"type": "websocket.close", "code": 4002})


async def test_pings_of_a_peer_that_does_not_read_take_no_memory(line: Line) -> None:
    await line.clog()
    held_bytes = line.buffered_bytes
    for _ in range(16):
        await line.say(Opcode.PING, b"p" * 125, times=1024)
    await line.say(Opcode.TEXT, b"the last")
    await eventually(lambda: line.application.heard)
    assert line.buffered_bytes <= held_bytes
    assert len(line.protocol._owed_pong) <= BUFFERED_BYTES_MAX


async def test_the_newest_ping_is_answered_once_the_peer_reads(line: Line) -> None:
    await line.clog()
    await line.say(Opcode.PING, b"ping 1")
    await line.say(Opcode.PING, b"ping 2")
    await line.read_until(b"ping 2")
    await line.say(Opcode.PING, b"ping 3")
    await line.read_until(b"ping 3")
