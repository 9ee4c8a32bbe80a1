"""A way to Postgres that can be broken at any step: before a request reaches it, or after it has answered.

A step is one whole request that is about to be handed to the server, or one whole answer that is about to be handed to
the client. A test looks at each step and decides: let it pass (later, if it awaits something first) or cut the
connection instead. So "the reply to that COMMIT was lost" and "the process was killed right before that UPDATE" are one
line each.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from tests.support.postgres_wire import (
    GSS_REQUEST,
    SSL_REQUEST,
    Exchange,
    Message,
    Requests,
    read_message,
    read_startup,
)

_LOST: Final = (OSError, asyncio.IncompleteReadError)


class Side(Enum):
    """Where a step is on its way."""

    REQUEST = auto()
    """Whole, and about to be handed to the server."""

    REPLY = auto()
    """The server has done what was asked; its answer is about to be handed to the client."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one connection.

    Attributes:
        number: 1, 2, 3 … among those of the proxy.
        sql: the statements of the exchange, one a line.
        transaction: all statements of its transaction so far, one a line; the same as `sql` outside of one.
    """

    number: int
    side: Side
    sql: str
    transaction: str

    def is_commit_of(self, part: str) -> bool:
        """Whether it commits a transaction one of whose statements has this in it; one statement alone may be that."""
        is_alone = self.sql == self.transaction
        return part in self.transaction and (self.sql.startswith("COMMIT") or is_alone)


class Verdict(Enum):
    """What becomes of a step."""

    PASS = auto()
    CUT = auto()
    """The connection is lost instead, for both ends."""


Hook = Callable[[Step], Awaitable[Verdict]]


async def pass_on(_step: Step) -> Verdict:
    """The hook that changes nothing."""
    return Verdict.PASS


def cut_once(is_meant: Callable[[Step], bool]) -> Hook:
    """A hook that cuts the connection at the first step that is meant, and passes all others on."""
    cuts = 0

    async def hook(step: Step) -> Verdict:
        nonlocal cuts
        if cuts or not is_meant(step):
            return Verdict.PASS
        cuts += 1
        return Verdict.CUT

    return hook


@dataclass(eq=False)
class _Line:
    """One connection: both its sockets, and what was asked and not answered."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    requests: Requests = field(default_factory=Requests)
    asked: "deque[Exchange]" = field(default_factory=deque)

    def cut(self) -> None:
        self.client.transport.abort()
        self.server.transport.abort()


class PostgresProxy:
    """Connections to one Postgres.

    Attributes:
        hook: asked about every step.
        steps: how many there have been.
    """

    def __init__(self, url: str, tasks: asyncio.TaskGroup) -> None:
        self.hook: Hook = pass_on
        self.steps = 0
        self._parts = urlsplit(url)
        self._tasks = tasks
        self._lines: set[_Line] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The address of the database through this proxy."""
        user, _, _ = self._parts.netloc.rpartition("@")
        return urlunsplit(self._parts._replace(netloc=f"{user}@127.0.0.1:{self._port}"))

    async def start(self) -> None:
        """Listen; after a `stop`, at the same address."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Be gone, as a database that was stopped: nobody listens and every connection is lost."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """Lose every connection."""
        for line in list(self._lines):
            line.cut()

    def hold(self) -> None:
        """Go silent, as a network that loses everything: nothing passes, nobody is told."""
        self._flowing.clear()

    def flow(self) -> None:
        """End a `hold`; all that waited passes."""
        self._flowing.set()

    def end(self) -> None:
        """`stop` for good, whatever a hook waits for."""
        self.stop()
        for task in self._serving:
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._tasks.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._parts.hostname is not None
        try:
            await self._flowing.wait()
            server_reader, server_writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
            await self._join(_Line(writer, server_writer), reader, server_reader)
        except OSError:
            return
        finally:
            writer.transport.abort()

    async def _join(self, line: _Line, client: asyncio.StreamReader, server: asyncio.StreamReader) -> None:
        self._lines.add(line)
        try:
            async with asyncio.TaskGroup() as group:
                replies = group.create_task(self._pass_replies(line, server))
                await self._pass_requests(line, client)
                replies.cancel()
        finally:
            line.cut()
            self._lines.discard(line)

    async def _pass_requests(self, line: _Line, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(*_LOST):
            await self._pass_startup(line, reader)
            while True:
                raw, exchange = line.requests.add(await read_message(reader))
                if exchange is not None and await self._judge(Side.REQUEST, exchange) is Verdict.CUT:
                    break
                if exchange is not None:
                    line.asked.append(exchange)
                await self._write(line.server, raw)
        line.cut()

    async def _pass_startup(self, line: _Line, reader: asyncio.StreamReader) -> None:
        while True:
            code, raw = await read_startup(reader)
            if code not in {SSL_REQUEST, GSS_REQUEST}:
                break
            await self._write(line.client, b"N")
        await self._write(line.server, raw)

    async def _pass_replies(self, line: _Line, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(*_LOST):
            answer = bytearray()
            while True:
                message = await read_message(reader)
                answer += message.raw
                if line.asked and not _is_farewell(message):
                    if message.kind != b"Z":
                        continue
                    if await self._judge(Side.REPLY, line.asked.popleft()) is Verdict.CUT:
                        break
                await self._write(line.client, bytes(answer))
                answer.clear()
        line.cut()

    async def _judge(self, side: Side, exchange: Exchange) -> Verdict:
        self.steps += 1
        return await self.hook(Step(self.steps, side, exchange.sql, exchange.transaction))

    async def _write(self, writer: asyncio.StreamWriter, raw: bytes) -> None:
        await self._flowing.wait()
        writer.write(raw)
        await writer.drain()


def _is_farewell(message: Message) -> bool:
    """Whether the server ends the connection with this error (its severity is FATAL)."""
    return message.kind == b"E" and b"VFATAL\0" in message.body


@contextlib.asynccontextmanager
async def postgres_proxy(url: str) -> AsyncIterator[PostgresProxy]:
    """A proxy to the database at this address."""
    async with asyncio.TaskGroup() as tasks:
        proxy = PostgresProxy(url, tasks)
        await proxy.start()
        try:
            yield proxy
        finally:
            proxy.end()
