"""A server that says nothing: a statement ends all the same, and so does closing."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest

from server.storage.outages import is_outage
from server.storage.postgres import Postgres, PostgresLimits, is_unreachable
from tests.support.postgres_proxy import Side, Step, Verdict, postgres_proxy


class SilentLine:
    """A line to Postgres that can fall silent: nothing passes any more, and nothing is closed."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.passes = asyncio.Event()
        self.passes.set()
        self._writers: list[asyncio.StreamWriter] = []

    async def cut(self) -> None:
        """Close every connection."""
        self.passes.set()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(self._host, self._port)
        self._writers += [writer, there_writer]
        with contextlib.suppress(ConnectionError):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, there_writer))
                group.create_task(self._pass(there_reader, writer))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self.passes.wait()
            writer.write(data)
        writer.close()


@pytest.fixture
async def line(postgres_url: str) -> AsyncIterator[tuple[SilentLine, str]]:
    """A line and the address at its other end."""
    parts = urlsplit(postgres_url)
    assert parts.hostname is not None
    assert parts.port is not None
    line = SilentLine(parts.hostname, parts.port)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield line, postgres_url.replace(f":{parts.port}/", f":{port}/")
    server.close()
    await line.cut()


async def test_a_statement_that_is_never_answered_is_an_outage(line: tuple[SilentLine, str]) -> None:
    silent, url = line
    postgres = await Postgres.open(url, PostgresLimits(connect_timeout_seconds=0.5))
    silent.passes.clear()
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with postgres.pool.acquire() as connection:
            await connection.fetchval("SELECT 1")
    assert is_outage(caught.value)
    assert is_unreachable(caught.value)
    await postgres.close()


async def test_closing_ends_though_nobody_answers(line: tuple[SilentLine, str]) -> None:
    silent, url = line
    postgres = await Postgres.open(url, PostgresLimits(connect_timeout_seconds=0.5))
    async with postgres.engine.connect():
        pass
    silent.passes.clear()
    began_seconds = time.monotonic()
    await postgres.close()
    assert time.monotonic() - began_seconds < 10


async def test_an_argument_that_does_not_fit_is_our_mistake_and_no_outage(postgres_url: str) -> None:
    postgres = await Postgres.open(postgres_url)
    try:
        with pytest.raises(asyncpg.DataError) as caught:
            await postgres.pool.fetchval("SELECT $1::int", 3_000_000_000)
        assert not is_outage(caught.value)
        assert not is_unreachable(caught.value)
    finally:
        await postgres.close()


async def test_a_query_on_a_lent_connection_is_one_round_trip(postgres_url: str) -> None:
    asked: list[str] = []

    async def note(step: Step) -> Verdict:
        if step.side is Side.REQUEST:
            asked.append(step.sql)
        return Verdict.PASS

    async with postgres_proxy(postgres_url) as proxy:
        postgres = await Postgres.open(proxy.url)
        await postgres.pool.fetchval("SELECT 1")  # prepared from now on
        proxy.hook = note
        assert await postgres.pool.fetchval("SELECT 1") == 1
        assert await postgres.pool.fetchval("SELECT 1") == 1
        await postgres.close()
    assert asked[:2] == ["SELECT 1", "SELECT 1"]


async def test_a_transaction_that_was_left_open_ends_when_its_connection_is_given_back(postgres_url: str) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)  # asyncpg complains of it, too
    postgres = await Postgres.open(postgres_url, PostgresLimits(pool_connections=1))
    async with postgres.pool.acquire() as connection:
        await connection.execute("BEGIN")
        await connection.execute("CREATE TABLE never_made ()")
    assert await postgres.pool.fetchval("SELECT to_regclass('never_made')") is None
    await postgres.close()
