"""Postgres is away for seconds in the middle of answers: sends are refused and may be repeated, running answers go on,
are saved when it is back, and nobody who lived through it is taken for dead."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import asyncpg
import pytest

from server.embedded.postgres import EmbeddedPostgres
from tests.chaos.stage import Stage
from tests.support.crowds import Guest, join
from tests.support.forked_gateways import GatewayNest
from tests.support.gateways import SHORT_LEASE
from tests.support.postgres_proxy import PostgresProxy, postgres_proxy
from tests.support.socket_client import ChatView, Frame, of_kind
from tests.support.waiting import eventually
from tests.support.world import World, made_world

RATE_TOKENS: Final = 50
AWAY_SECONDS: Final = 2 * SHORT_LEASE.lease_seconds
TALKING: Final = f"Tell me everything. [[tokens=250 delay_ms=0 rate={RATE_TOKENS}]]"
THINKING: Final = "Think a while. [[tokens=5 delay_ms=800]]"
QUICK: Final = "Who wins tonight? [[tokens=3 delay_ms=0]]"
MESSAGES: Final = 4
TERMINATE: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'tallylight%'
"""


@contextlib.asynccontextmanager
async def stopped(proxy: PostgresProxy) -> AsyncIterator[None]:
    """As a server that was stopped: it refuses."""
    proxy.stop()
    yield
    await proxy.start()


@contextlib.asynccontextmanager
async def silent(proxy: PostgresProxy) -> AsyncIterator[None]:
    """As a network that was cut: nothing comes back."""
    proxy.hold()
    yield
    proxy.flow()


Away = Callable[[PostgresProxy], contextlib.AbstractAsyncContextManager[None]]


async def hear(guest: Guest, seconds: float) -> None:
    """Wait until the running answer has gone on for so long."""
    deltas = len(guest.client.of("d", k=guest.k))
    await eventually(lambda: len(guest.client.of("d", k=guest.k)) >= deltas + seconds * RATE_TOKENS)


async def persist(guest: Guest, text: str, idem: str) -> Frame:
    """Send a message until it is not refused as `unavailable`."""
    while (reply := await guest.send(text, idem)).get("code") == "unavailable":
        assert reply["retry"]
    return reply


async def status(world: World, guest: Guest) -> tuple[str, str, str, int]:
    """State and credit of the chat, status of its answer, and the epoch."""
    row = await world.postgres.pool.fetchrow(
        """
        SELECT state, credit_state, message.status, epoch
          FROM chat JOIN message ON message.chat_id = chat.id AND type = 'AI' WHERE chat.id = $1
        """,
        guest.chat_id,
    )
    assert row is not None
    return row[0], row[1], row[2], row[3]


@pytest.mark.parametrize("away", [stopped, silent])
async def test_answers_go_on_without_postgres(stage: Stage, away: Away) -> None:
    async with (
        postgres_proxy(stage.postgres_url) as proxy,
        stage.gateway(proxy.url) as gateway,
        stage.gateway(proxy.url),
    ):
        talking, thinking, late = [await join(stage.world, gateway) for _ in range(3)]
        assert (await talking.send(TALKING))["t"] == "ok"
        await hear(talking, 0.5)
        assert (await thinking.send(THINKING))["t"] == "ok"
        async with away(proxy):
            refusing = asyncio.ensure_future(late.send(QUICK))
            await hear(talking, AWAY_SECONDS)
            assert not thinking.heard
        for guest in (talking, thinking):
            assert (await guest.done())["why"] == "stop"
            assert await status(stage.world, guest) == ("OPEN", "SPENT", "DONE", 1)
            view = ChatView(guest.k)
            for frame in guest.client.frames:
                view.apply(frame)
            assert not guest.client.of("opened", k=guest.k, mode="snapshot")
        refused = await refusing
        assert refused["t"] == "ok" or (refused["code"], refused["retry"]) == ("unavailable", True)
        assert (await persist(late, QUICK, "idem-0001"))["t"] == "ok"
        assert (await late.done())["why"] == "stop"
        assert await status(stage.world, late) == ("OPEN", "SPENT", "DONE", 1)


async def test_a_send_without_postgres_is_refused_and_not_charged(stage: Stage) -> None:
    async with stage.behind_proxy() as (proxy, gateway):
        guest = await join(stage.world, gateway)
        proxy.stop()
        refused = await guest.send(QUICK)
        assert (refused["code"], refused["retry"]) == ("unavailable", True)
        assert not await stage.world.postgres.pool.fetchval("SELECT count(*) FROM message")
        await proxy.start()
        sent = await persist(guest, QUICK, "idem-0001")
        assert (sent["t"], sent.get("dup", False)) == ("ok", False)
        assert (await guest.done())["why"] == "stop"


async def test_back_ends_are_terminated_again_and_again(stage: Stage) -> None:
    terminator = await asyncpg.connect(stage.postgres_url)
    async with stage.gateway() as gateway:
        guests = [await join(stage.world, gateway) for _ in range(6)]
        conversing = [asyncio.ensure_future(converse(guest)) for guest in guests]

        def frames() -> int:
            return sum(len(guest.client.frames) for guest in guests)

        while not all(one.done() for one in conversing):
            await terminator.execute(TERMINATE)
            seen = frames()
            await eventually(lambda seen=seen: frames() > seen or all(one.done() for one in conversing))  # type: ignore[misc]
        await asyncio.gather(*conversing)
    await terminator.close()


async def converse(guest: Guest) -> None:
    """Some messages, each answered to its end."""
    for number in range(MESSAGES):
        after = len(guest.client.frames)
        assert (await persist(guest, QUICK, f"idem-{number:04}"))["t"] == "ok"
        assert (await guest.client.wait_for(of_kind("done", k=guest.k), after=after))["why"] == "stop"


@pytest.mark.parametrize("end", [EmbeddedPostgres.stop, EmbeddedPostgres.kill])
async def test_postgres_is_ended_and_started_again(
    disposable_postgres: EmbeddedPostgres, redis_url: str, nest: GatewayNest, end: Callable[[EmbeddedPostgres], None]
) -> None:
    async with (
        made_world(disposable_postgres.url, redis_url) as world,
        nest.gateway(disposable_postgres.url, redis_url) as gateway,
    ):
        talking, late = [await join(world, gateway) for _ in range(2)]
        assert (await talking.send(TALKING))["t"] == "ok"
        await hear(talking, 0.5)
        end(disposable_postgres)
        refusing = asyncio.ensure_future(late.send(QUICK))
        await hear(talking, AWAY_SECONDS)
        assert (await refusing)["code"] == "unavailable"
        disposable_postgres.start()
        assert (await talking.done())["why"] == "stop"
        assert await status(world, talking) == ("OPEN", "SPENT", "DONE", 1)
        assert (await persist(late, QUICK, "idem-0001"))["t"] == "ok"
        assert (await late.done())["why"] == "stop"
