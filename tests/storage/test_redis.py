"""The breaker around Redis, and the client underneath it, on a real Valkey that comes and goes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import pytest

from server.embedded.valkey import EmbeddedValkey
from server.storage.redis import (
    Redis,
    RedisLimits,
    RedisUnavailable,
    balance_key,
    checkpoint_key,
    reservations_key,
)
from tests.support.jumping_loop import run_with_jumps
from tests.support.waiting import eventually

CHANNEL = UUID("01a202c0-3967-7188-8244-e210dc4e56ca")
KEYS = [balance_key(CHANNEL), reservations_key(CHANNEL)]
BALANCE: list[str | int] = ["5", "1", 5_000]


def turns_away(redis: Redis) -> bool:
    return not redis.available


def test_all_keys_of_a_channel_share_one_hash_tag() -> None:
    tags = {key[key.index("{") : key.index("}") + 1] for key in (balance_key(CHANNEL), reservations_key(CHANNEL))}
    assert tags == {"{ch:01a202c0-3967-7188-8244-e210dc4e56ca}"}


def test_a_checkpoint_has_its_epoch_in_its_name() -> None:
    assert checkpoint_key(CHANNEL, 7, CHANNEL) == f"{{c:{CHANNEL}}}:7:{CHANNEL}"


async def test_scripts_are_loaded_again_after_the_server_forgot_them(redis: Redis) -> None:
    assert await redis.scripts("publish", [(KEYS, BALANCE)]) == [1]
    await redis.run(lambda client: client.script_flush())
    assert await redis.scripts("publish", [(KEYS, BALANCE)] * 3) == [1, 1, 1]
    await redis.run(lambda client: client.script_flush())
    assert await redis.script("publish", KEYS, BALANCE) == 1


async def test_an_error_of_redis_is_unavailable_and_leaves_the_breaker_closed(redis: Redis) -> None:
    await redis.run(lambda client: client.set("text", "x"))
    with pytest.raises(RedisUnavailable, match="WRONGTYPE"):
        await redis.run(lambda client: client.lpush("text", "y"))
    assert redis.available


async def test_nobody_there_opens_the_breaker_and_then_nobody_waits(disposable_valkey: EmbeddedValkey) -> None:
    redis = Redis.open(disposable_valkey.url)
    await redis.ping()
    disposable_valkey.stop()
    with pytest.raises(RedisUnavailable):
        await redis.ping()
    assert turns_away(redis)
    for _ in range(100):
        with pytest.raises(RedisUnavailable, match="a moment ago"):
            await redis.ping()
    await redis.close()


async def test_one_failure_is_all_that_a_restart_costs(disposable_valkey: EmbeddedValkey) -> None:
    redis = Redis.open(disposable_valkey.url, RedisLimits(breaker_open_seconds=0.05))
    await asyncio.gather(*(redis.ping() for _ in range(20)))
    disposable_valkey.kill()
    disposable_valkey.start()
    with pytest.raises(RedisUnavailable):  # the loop did not run meanwhile, so no closed connection was noticed
        await redis.ping()
    await eventually(lambda: redis.available)
    await redis.ping()
    await asyncio.gather(*(redis.ping() for _ in range(20)))
    await redis.close()


class BlackHole:
    """A way to Redis whose open connections can be made to lead nowhere, as when a machine is gone without a word."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: list[asyncio.StreamWriter] = []
        self._deaf: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._open.append(writer)
        replies = asyncio.create_task(self._pass_on(upstream_reader, writer, writer))
        await self._pass_on(reader, upstream_writer, writer)
        replies.cancel()
        for one in (writer, upstream_writer):
            one.close()
            await one.wait_closed()
        self._open.remove(writer)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65_536):
            if client not in self._deaf:
                writer.write(data)

    def swallow(self) -> int:
        """Nothing comes through the open connections any more; returns how many they are."""
        self._deaf.update(self._open)
        return len(self._deaf)

    @property
    def is_idle(self) -> bool:
        """Whether every client has gone."""
        return not self._open


@asynccontextmanager
async def answers_with(reply: bytes) -> AsyncIterator[Redis]:
    """A client of a server that answers everything with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(65_536):
                writer.write(reply)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        redis = Redis.open(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
        yield redis
        await redis.close()


GARBAGE = [
    pytest.param(b"%1\r\n*0\r\n:1\r\n", id="a map whose key is a list"),
    pytest.param(b":1\r\n", id="a number for a list"),
    pytest.param(b"~1\r\n*1\r\n:1\r\n", id="a set of lists"),
    pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="another protocol"),
    pytest.param(b"\x00\xff\xfe\r\n", id="no protocol at all"),
]


@pytest.mark.parametrize("reply", GARBAGE)
async def test_garbage_is_unavailable(reply: bytes) -> None:
    async with answers_with(reply) as redis:
        with pytest.raises(RedisUnavailable):
            await redis.run(lambda client: client.xrange("stream"))


async def test_a_reply_that_makes_no_sense_opens_the_breaker() -> None:
    async with answers_with(b"%1\r\n*0\r\n:1\r\n") as redis:
        with pytest.raises(RedisUnavailable, match="garbage"):
            await redis.ping()
        assert turns_away(redis)


async def test_connections_that_lead_nowhere_fail_once_and_not_one_by_one(valkey_server: EmbeddedValkey) -> None:
    parts = urlsplit(valkey_server.url)
    assert parts.port is not None
    hole = BlackHole(parts.port)
    server = await asyncio.start_server(hole.serve, "127.0.0.1", 0)
    address = parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{server.sockets[0].getsockname()[1]}"))
    redis = Redis.open(urlunsplit(address), RedisLimits(breaker_open_seconds=0.05))
    await asyncio.gather(*(redis.ping() for _ in range(20)))
    assert hole.swallow() == 20
    with pytest.raises(RedisUnavailable):
        await redis.ping()
    await eventually(lambda: redis.available)
    await redis.ping()
    await asyncio.gather(*(redis.ping() for _ in range(20)))
    await redis.close()
    await eventually(lambda: hole.is_idle)
    server.close()
    await server.wait_closed()


def test_a_frozen_redis_costs_half_a_second_once(disposable_valkey: EmbeddedValkey) -> None:
    pid = disposable_valkey.pid
    assert pid is not None

    async def ask_at_once() -> float:
        """Ask more often at once than there are connections; returns for how long somebody waited, in seconds."""
        redis, loop = Redis.open(disposable_valkey.url), asyncio.get_running_loop()
        began_seconds = loop.time()
        outcomes = await asyncio.gather(*(redis.ping() for _ in range(200)), return_exceptions=True)
        assert all(isinstance(outcome, RedisUnavailable) for outcome in outcomes)
        waited_seconds = loop.time() - began_seconds
        await redis.close()
        return waited_seconds

    os.kill(pid, signal.SIGSTOP)
    try:
        assert run_with_jumps(ask_at_once()) <= RedisLimits().command_timeout_seconds
    finally:
        os.kill(pid, signal.SIGCONT)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Upstream:
    """What the breaker guards: counts who came, and answers when it is told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.is_silent = True
        self.answered = asyncio.Event()

    async def answer(self, _client: object) -> str:
        self.calls += 1
        if self.is_silent:
            raise ConnectionResetError
        await self.answered.wait()
        return "pong"


async def test_after_a_failure_one_caller_probes_and_the_others_are_turned_away(redis: Redis) -> None:
    clock, upstream = Clock(), Upstream()
    guarded = Redis(redis._client, RedisLimits(), clock)
    with pytest.raises(RedisUnavailable):
        await guarded.run(upstream.answer)
    assert turns_away(guarded)

    clock.seconds += 1.0
    assert not turns_away(guarded)
    upstream.is_silent = False
    probe = asyncio.create_task(guarded.run(upstream.answer))
    await asyncio.sleep(0)
    assert turns_away(guarded)
    with pytest.raises(RedisUnavailable, match="a moment ago"):
        await guarded.run(upstream.answer)
    assert upstream.calls == 2

    upstream.answered.set()
    assert await probe == "pong"
    assert not turns_away(guarded)
    assert await guarded.run(upstream.answer) == "pong"


async def test_a_cancelled_probe_lets_the_next_one_try(redis: Redis) -> None:
    clock, upstream = Clock(), Upstream()
    guarded = Redis(redis._client, RedisLimits(), clock)
    with pytest.raises(RedisUnavailable):
        await guarded.run(upstream.answer)
    clock.seconds += 1.0
    upstream.is_silent = False
    probe = asyncio.create_task(guarded.run(upstream.answer))
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert not turns_away(guarded)
