"""The listening socket, and uvicorn on it: our drain comes before uvicorn closes anything."""

import asyncio
import errno
import gc
import math
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any, Protocol

import structlog
import uvicorn
from starlette.applications import Starlette

from server.config import DEFAULT_PORT
from server.ws.uvicorn_socket import UvicornSocket

log = structlog.get_logger(__name__)

PORTS_TRIED = 100
BACKLOG_CONNECTIONS = 2_048
SEND_BUFFER_BYTES = 64 * 1024
NOT_SENT_BYTES = 16 * 1024
"""Data that the kernel takes from us but has not sent: small, so that a reader who stopped is noticed early."""

FRAME_BYTES = 65_536
CLOSE_SECONDS = 1
"""What connections get to end once the drain is over."""

DRAIN_GRACE_SHARE = 0.1
DRAIN_GRACE_SECONDS = 1.4
"""What a drain may take beyond the answers' time, for saving and leaving: a share of it, and some more."""

WATCH_SECONDS = 1
LOOK_EVERY_SECONDS = 0.1
HOST_REMEDY = "Choose with --host: 127.0.0.1 for this machine alone, 0.0.0.0 for every address it has."
PORT_REMEDY = "Choose one from 1024 up with --port, and let a web server in front have the usual one."


class CannotListen(Exception):
    """This machine does not let us listen there.

    Attributes:
        remedy: what to do about it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


class PortTaken(CannotListen):
    """Somebody listens there already."""

    def __init__(self, port: int) -> None:
        super().__init__(f"Port {port} is taken.", "Choose another one with --port.")
        self.port = port


class Drainable(Protocol):
    """What `app.state.gateway` must be able to do."""

    async def drain(self, answers_seconds: float) -> None:
        """Lets answers end in that time, and saves the rest in little more."""


def listen(host: str, port: int | None) -> socket.socket:
    """A listening socket with the buffers that the gateway wants; connections inherit them.

    Args:
        host: a name or address of this machine.
        port: None takes the usual one, or the next that is free; 0 takes any.

    Raises:
        PortTaken: the port that was asked for, or every one that was tried.
        CannotListen: the host is not ours, the port is closed to us, or anything else is in the way.
    """
    wanted = [port] if port is not None else list(range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED))
    for candidate in wanted:
        family, address = _resolve(host, candidate)
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT_BYTES)
            listener.bind(address)
            listener.listen(BACKLOG_CONNECTIONS)
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise _cannot_listen(host, candidate, error) from error
        else:
            listener.setblocking(False)
            return listener
    raise PortTaken(wanted[0])


def address_of(listener: socket.socket) -> str:
    """Where this machine reaches what listens there, such as ``http://127.0.0.1:8420``."""
    host, port = listener.getsockname()[:2]
    if listener.family == socket.AF_INET6:
        return f"http://[{'::1' if host == '::' else host}]:{port}"
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - read, not bound


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise CannotListen(f"No host is known as {host}: {error.strerror}.", HOST_REMEDY) from error
    return family, address


def _cannot_listen(host: str, port: int, error: OSError) -> CannotListen:
    if error.errno == errno.EADDRNOTAVAIL:
        return CannotListen(f"{host} is not an address of this machine.", HOST_REMEDY)
    if error.errno in {errno.EACCES, errno.EPERM}:
        return CannotListen(f"Port {port} is closed to this user.", PORT_REMEDY)
    return CannotListen(f"{host}, port {port}, cannot be listened on: {error.strerror}.", HOST_REMEDY)


async def _watch_nothing() -> None:
    """What `serve` watches unless it is told."""


def serve(
    app: Starlette,
    listener: socket.socket,
    *,
    drain_seconds: float,
    on_ready: Callable[[], None] = lambda: None,
    watch: Callable[[], Awaitable[None]] = _watch_nothing,
) -> float:
    """Serves until SIGINT or SIGTERM, which end it cleanly; a second one cuts the drain short. From the main thread.

    Args:
        app: its lifespan starts everything and sets `app.state.gateway`, a `Drainable`.
        listener: from `listen`; it is closed at the end.
        drain_seconds: what running answers get.
        on_ready: called once requests are answered.
        watch: awaited every second on this thread; whatever it raises ends the server and is raised here.

    Returns:
        How many seconds ago the end was asked for.

    Raises:
        SystemExit: the application could not start; the log says why.
    """
    server = _Server(app, drain_seconds, on_ready, watch)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))
    if server.failure is not None:
        raise server.failure
    return time.monotonic() - server.asked_to_end_at


class _Server(uvicorn.Server):
    """uvicorn, with our drain before its own end."""

    def __init__(
        self, app: Starlette, drain_seconds: float, on_ready: Callable[[], None], watch: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws=UvicornSocket,
                ws_max_size=FRAME_BYTES,
                # It costs 35 KiB a connection, and tokens are too short to gain by it.
                ws_per_message_deflate=False,
                lifespan="on",
                log_config=None,
                access_log=False,
                # We decide ourselves whose X-Forwarded-For is believed.
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG_CONNECTIONS,
                timeout_graceful_shutdown=CLOSE_SECONDS,
                callback_notify=self._watch_once,
                timeout_notify=WATCH_SECONDS,
            )
        )
        self._app = app
        self._drain_seconds = drain_seconds
        self._on_ready = on_ready
        self._watch = watch
        self.failure: Exception | None = None
        self.asked_to_end_at = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends the server, a second one at once. uvicorn would raise them again when it is done, and
        so end the process before the embedded parts are."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self.asked_to_end_at = min(self.asked_to_end_at, time.monotonic())

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and says so."""
        await super().startup(sockets)
        # What the start has made is there to stay: a collection that looks at all of it takes 100 ms and more.
        gc.collect()
        gc.freeze()
        if self.started and not self.should_exit:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes no more connections, drains, and only then lets uvicorn close what is left."""
        for server in self.servers:
            server.close()
        await self._drain()
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        gateway: Drainable = self._app.state.gateway
        async with asyncio.TaskGroup() as group:
            draining = group.create_task(self._drain_in_time(gateway))
            cutting = group.create_task(self._until_forced())
            await asyncio.wait({draining, cutting}, return_when=asyncio.FIRST_COMPLETED)
            draining.cancel()
            cutting.cancel()

    async def _drain_in_time(self, gateway: Drainable) -> None:
        # An error here may not keep the rest from ending; what was not saved, a reaper saves.
        try:
            async with asyncio.timeout(self._drain_seconds * (1 + DRAIN_GRACE_SHARE) + DRAIN_GRACE_SECONDS):
                await gateway.drain(self._drain_seconds)
        except TimeoutError:
            log.warning("drain_overran", answers_seconds=self._drain_seconds)
        except Exception:
            log.exception("drain_failed")

    async def _until_forced(self) -> None:
        # Looked at again and again, as uvicorn does: a signal handler may not wake the loop.
        while not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _watch_once(self) -> None:
        try:
            await self._watch()
        except Exception as error:
            log.exception("watch_failed")
            self.failure = error
            self.should_exit = True


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
