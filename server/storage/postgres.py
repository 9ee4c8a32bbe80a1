"""Postgres: one asyncpg pool for point queries, one SQLAlchemy engine for lists, and connections for writers.

All of them are made by asyncpg from the same address, so an address that works for one works for all.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self, TypeAlias, TypeVar

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from server.storage.patient_connection import PatientConnection
from server.storage.pool import ConnectionPool, NoConnection

_T = TypeVar("_T")

log = structlog.get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
"""A connection of one's own, or one that the pool lends; asyncpg's own class takes no parameter at run time."""

CONNECT_TIMEOUT_SECONDS: Final = 5.0
POOL_WAIT_SECONDS: Final = 3.0
TRANSACTION_TRIES: Final = 4
PLAN_EACH: Final[Mapping[str, str]] = {"plan_cache_mode": "force_custom_plan"}
"""Settings of a connection whose statements are planned each time, for the values they have then."""
_REPEAT_AFTER_SECONDS: Final = 0.05
_LOST_TRANSACTION = frozenset({"40001", "40P01"})
"""SQLSTATEs after which the same transaction may be run again: serialization failure, deadlock."""


@dataclass(frozen=True, slots=True)
class PostgresLimits:
    """How much of Postgres one node takes, and how long it waits.

    Attributes:
        pool_wait_seconds: for one of the pool's connections, or of the engine's.
        pool_waiters: how many wait for the pool at the same time; the next one is turned away.
    """

    pool_connections: int = 10
    pool_wait_seconds: float = POOL_WAIT_SECONDS
    pool_waiters: int = 4_096
    engine_connections: int = 5
    connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS
    statement_timeout_seconds: float = 5.0
    lock_timeout_seconds: float = 2.0
    idle_in_transaction_seconds: float = 2.0


class Postgres:
    """The database of one node.

    Attributes:
        pool: lent asyncpg connections, for single statements and short transactions.
        engine: the same database through SQLAlchemy Core, for lists and what is written from the tables.
        snapshots: the same engine, read only: what is read on one connection is all as it was at its first statement.
    """

    def __init__(self, url: str, limits: PostgresLimits, pool: ConnectionPool, engine: AsyncEngine) -> None:
        self.pool = pool
        self.engine = engine
        self.snapshots = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._url = url
        self._limits = limits

    @classmethod
    async def open(cls, url: str, limits: PostgresLimits | None = None) -> Self:
        """Connect once, so that a wrong address is known now; the other connections are made when they are needed.

        Args:
            url: ``postgresql://user:password@host:port/database``.
            limits: None means the defaults.

        Raises:
            OSError: the server cannot be reached.
            TimeoutError: it did not answer within ``connect_timeout_seconds``.
            asyncpg.PostgresError: it refused.
        """
        limits = limits or PostgresLimits()
        timeouts = _timeouts(limits)
        pool = await asyncpg.create_pool(
            url,
            connection_class=PatientConnection,
            min_size=1,
            max_size=limits.pool_connections,
            timeout=limits.connect_timeout_seconds,
            server_settings={"application_name": "tallylight", **timeouts, **_idle_limit(limits)},
        )
        engine = make_engine(
            url,
            connections=limits.engine_connections,
            connect_timeout_seconds=limits.connect_timeout_seconds,
            wait_seconds=limits.pool_wait_seconds,
            # A list's best plan depends on whose it is and on its filters: the plan of any other one is no use to it.
            server_settings={"application_name": "tallylight lists", **PLAN_EACH, **timeouts},
        )
        lent = ConnectionPool(pool, wait_seconds=limits.pool_wait_seconds, waiters_max=limits.pool_waiters)
        return cls(url, limits, lent, engine)

    async def connect_writer(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection of the caller's own, to hold as long as it works and to close.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError: as `open`.
        """
        return await asyncpg.connect(
            self._url,
            connection_class=PatientConnection,
            timeout=self._limits.connect_timeout_seconds,
            server_settings={
                "application_name": "tallylight writer",
                "synchronous_commit": "on",
                **_timeouts(self._limits),
                **_idle_limit(self._limits),
            },
        )

    @asynccontextmanager
    async def connected(self, application_name: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection for one long piece of work, so that it holds none of the pool's.

        Args:
            application_name: what Postgres's own views call it.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError: as `open`.
        """
        connection = await asyncpg.connect(
            self._url,
            connection_class=PatientConnection,
            timeout=self._limits.connect_timeout_seconds,
            server_settings={
                "application_name": application_name,
                **_timeouts(self._limits),
                **_idle_limit(self._limits),
            },
        )
        try:
            yield connection
        except BaseException:
            connection.terminate()  # what runs on it may not be waited for
            raise
        await connection.close(timeout=self._limits.connect_timeout_seconds)

    async def transact(self, work: Callable[[Connection], Awaitable[_T]]) -> _T:
        """Do this in one transaction, and again, ``TRANSACTION_TRIES`` times at most, where trying again may help.

        A commit whose reply was lost may have happened: ``work`` must use the same ids each time and find out.

        Raises:
            Whatever the work, or the last try, raised; nothing was changed unless the connection was lost.
        """

        async def once() -> _T:
            async with self.pool.acquire() as connection, connection.transaction():
                return await work(connection)

        return await repeated(once)

    async def ping(self) -> None:
        """Ask the server for nothing.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: it did not answer.
        """
        async with self.pool.acquire() as connection:
            await connection.execute("SELECT 1", timeout=self._limits.statement_timeout_seconds)

    async def close(self) -> None:
        """Close all connections but the writers', within ``connect_timeout_seconds`` whatever the server does."""
        await self.pool.close(self._limits.connect_timeout_seconds)
        await self.engine.dispose()


def make_engine(
    url: str,
    *,
    connections: int,
    server_settings: Mapping[str, str],
    connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
    wait_seconds: float = POOL_WAIT_SECONDS,
) -> AsyncEngine:
    """An engine of at most this many connections; nothing is connected before it is used.

    Whoever waits for one of them longer than `wait_seconds` gets sqlalchemy.exc.TimeoutError.
    """

    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(
            url,
            connection_class=PatientConnection,
            timeout=connect_timeout_seconds,
            server_settings=dict(server_settings),
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=wait_seconds,
        pool_pre_ping=True,
    )


def is_unreachable(error: BaseException) -> bool:
    """Whether the connection failed or was lost: a commit that was under way may or may not have happened."""
    if isinstance(error, asyncpg.PostgresError):
        # 08: connection exception; 57P: shutdown, terminated, starting up; 25P03: idle in a transaction for too long.
        return (error.sqlstate or "").startswith(("08", "57P", "25P03", "53300"))
    if isinstance(error, ValueError):  # an argument that does not fit its type: asyncpg calls it an InterfaceError too
        return False
    # An InternalClientError is what asyncpg says when the server's last words came between two statements.
    return isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | asyncpg.InternalClientError)


def may_be_repeated(error: BaseException) -> bool:
    """Whether to run the same transaction with the same ids again; any other error will only come back."""
    if isinstance(error, NoConnection):  # it has waited for as long as anybody should
        return False
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate in _LOST_TRANSACTION:
        return True
    return is_unreachable(error)


async def repeated(work: Callable[[], Awaitable[_T]]) -> _T:
    """Do this, and again, ``TRANSACTION_TRIES`` times at most, where trying again may help.

    Raises:
        Whatever the last try raised.
    """
    for attempt in itertools.count(1):
        try:
            return await work()
        except Exception as error:
            if attempt == TRANSACTION_TRIES or not may_be_repeated(error):
                raise
            log.warning("postgres.transaction_repeated", attempt=attempt, error=repr(error))
        await asyncio.sleep(_REPEAT_AFTER_SECONDS * attempt)
    raise AssertionError("unreachable")


def _timeouts(limits: PostgresLimits) -> dict[str, str]:
    return {
        "statement_timeout": _milliseconds(limits.statement_timeout_seconds),
        "lock_timeout": _milliseconds(limits.lock_timeout_seconds),
    }


def _idle_limit(limits: PostgresLimits) -> dict[str, str]:
    """A node that freezes in the middle of a transaction must not keep the rows it has locked, a busy channel's or a
    chat's: the server ends its transaction and, with it, the connection."""
    return {"idle_in_transaction_session_timeout": _milliseconds(limits.idle_in_transaction_seconds)}


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
