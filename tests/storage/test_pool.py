"""The line before the pool: nobody waits in it for long, and it has an end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import pytest
import sqlalchemy.exc

from server.domain.errors import Code, Refusal
from server.storage.outages import is_outage, outages_refused
from server.storage.pool import NoConnection
from server.storage.postgres import Postgres, PostgresLimits
from tests.support.postgres_proxy import PostgresProxy, postgres_proxy

WAIT_SECONDS: Final = 0.3
LIMITS: Final = PostgresLimits(
    pool_connections=2, engine_connections=1, pool_wait_seconds=WAIT_SECONDS, connect_timeout_seconds=5.0
)


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[PostgresProxy]:
    async with postgres_proxy(postgres_url) as proxy:
        yield proxy


@asynccontextmanager
async def opened(url: str, limits: PostgresLimits = LIMITS) -> AsyncIterator[Postgres]:
    postgres = await Postgres.open(url, limits)
    try:
        yield postgres
    finally:
        await postgres.close()


async def test_in_a_silent_outage_a_crowd_is_turned_away_together(proxy: PostgresProxy) -> None:
    async with opened(proxy.url) as postgres, asyncio.TaskGroup() as tasks:
        await asyncio.gather(postgres.ping(), postgres.ping())
        proxy.hold()
        for _ in range(LIMITS.pool_connections):
            tasks.create_task(postgres.ping())
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        began_seconds = loop.time()
        waits = (postgres.pool.fetchval("SELECT 1") for _ in range(100))
        outcomes = await asyncio.gather(*waits, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {NoConnection}
        assert loop.time() - began_seconds < 30 * WAIT_SECONDS  # 50 if two of them waited at a time
        proxy.flow()


async def test_a_connection_that_cannot_be_made_is_not_waited_for_longer(proxy: PostgresProxy) -> None:
    async with opened(proxy.url) as postgres, postgres.pool.acquire():  # the only one that is made so far
        proxy.hold()
        with pytest.raises(NoConnection):
            async with asyncio.timeout(LIMITS.connect_timeout_seconds):
                await postgres.ping()
        proxy.flow()


async def test_who_waits_in_vain_is_told_unavailable(postgres_url: str) -> None:
    async with opened(postgres_url) as postgres, AsyncExitStack() as used:
        for _ in range(LIMITS.pool_connections):
            await used.enter_async_context(postgres.pool.acquire())
        with pytest.raises(Refusal) as refused, outages_refused():
            await postgres.pool.fetchval("SELECT 1")
        assert refused.value.code is Code.UNAVAILABLE


async def test_a_transaction_waits_for_a_connection_once(postgres_url: str) -> None:
    async with opened(postgres_url) as postgres, AsyncExitStack() as used:
        for _ in range(LIMITS.pool_connections):
            await used.enter_async_context(postgres.pool.acquire())
        with pytest.raises(NoConnection):
            async with asyncio.timeout(2 * WAIT_SECONDS):
                await postgres.transact(lambda connection: connection.fetchval("SELECT 1"))


async def test_the_line_has_an_end_and_those_in_it_are_served(postgres_url: str) -> None:
    limits = PostgresLimits(pool_connections=1, pool_wait_seconds=30.0, pool_waiters=3)
    async with opened(postgres_url, limits) as postgres:
        async with postgres.pool.acquire():
            waiting = [asyncio.ensure_future(postgres.pool.fetchval("SELECT $1::int", n)) for n in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(NoConnection, match="3 wait"):
                await postgres.pool.fetchval("SELECT 1")
        assert await asyncio.gather(*waiting) == [0, 1, 2]


async def test_those_who_gave_up_leave_the_connections_to_others(postgres_url: str) -> None:
    async with opened(postgres_url) as postgres:
        async with AsyncExitStack() as used:
            for _ in range(LIMITS.pool_connections):
                await used.enter_async_context(postgres.pool.acquire())
            waits = (postgres.pool.fetchval("SELECT 1") for _ in range(5))
            await asyncio.gather(*waits, return_exceptions=True)
        async with postgres.pool.acquire(), postgres.pool.acquire() as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_the_pool_works_again_when_the_outage_is_over(proxy: PostgresProxy) -> None:
    async with opened(proxy.url) as postgres, postgres.pool.acquire():
        proxy.hold()
        with pytest.raises(NoConnection):
            await postgres.pool.fetchval("SELECT 1")
        proxy.flow()
        assert await postgres.pool.fetchval("SELECT 1") == 1


async def test_lists_do_not_wait_longer_either(postgres_url: str) -> None:
    async with opened(postgres_url) as postgres, postgres.engine.connect():
        with pytest.raises(sqlalchemy.exc.TimeoutError) as late:
            async with asyncio.timeout(10 * WAIT_SECONDS), postgres.engine.connect():
                pass
        assert is_outage(late.value)
