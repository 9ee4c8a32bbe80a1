"""Lent connections to Postgres, and the line of those who wait for one.

While Postgres is silent every connection is in use for as long as a statement may take, and whoever comes next would
wait behind all who came before. So nobody waits for longer than a moment, and the line has an end.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg


class NoConnection(TimeoutError):
    """No connection was free in time, or none could be made: nothing was asked of Postgres."""


class ConnectionPool:
    """asyncpg's pool, with a limit to the time in its line and to its length."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", *, wait_seconds: float, waiters_max: int) -> None:
        """Take over a pool.

        Args:
            pool: open, and used through this object only.
            wait_seconds: what a caller waits for a connection, the making of a new one included.
            waiters_max: how many may wait at the same time.
        """
        self._pool = pool
        self._wait_seconds = wait_seconds
        self._waiters_max = waiters_max
        self._waiters = 0

    @asynccontextmanager
    async def acquire(self) -> "AsyncIterator[asyncpg.pool.PoolConnectionProxy[asyncpg.Record]]":
        """Lend a connection.

        Raises:
            NoConnection: too many wait already, or the wait was too long.
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: a new one was refused, or the pool is closed.
        """
        connection = await self._take()
        try:
            yield connection
        finally:
            await self._pool.release(connection)

    async def execute(self, query: str, *args: object) -> str:
        """As asyncpg's, on a lent connection; raises what `acquire` raises, too. So with those below."""
        async with self.acquire() as connection:
            return await connection.execute(query, *args)

    async def fetch(self, query: str, *args: object) -> "list[asyncpg.Record]":
        """See `execute`."""
        async with self.acquire() as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> "asyncpg.Record | None":
        """See `execute`."""
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:
        """See `execute`."""
        async with self.acquire() as connection:
            return await connection.fetchval(query, *args)

    async def close(self, within_seconds: float) -> None:
        """Close all connections once they are given back; cut off those that are not in that time."""
        try:
            await asyncio.wait_for(self._pool.close(), within_seconds)
        except TimeoutError:
            self._pool.terminate()

    async def _take(self) -> "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]":
        if self._waiters >= self._waiters_max:
            raise NoConnection(f"{self._waiters} wait for a connection already")
        self._waiters += 1
        try:
            # Around asyncpg's wait instead of given to it: it would bound the way back, too, whatever was done.
            async with asyncio.timeout(self._wait_seconds):
                return await self._pool.acquire()
        except TimeoutError as error:
            raise NoConnection(f"no connection within {self._wait_seconds} s") from error
        finally:
            self._waiters -= 1
