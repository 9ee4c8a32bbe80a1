"""The lease of this node: who is alive, by Postgres's clock.

A node id is made at each process start and never used again. While its lease holds, nobody takes a running answer from
a node; a node that finds its own lease overdue (it was frozen) first asks which chats are still its own.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from server.domain.errors import Refusal
from server.storage.ids import new_id
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres, repeated

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long a lease holds, how often it is renewed, how often the reaper looks for dead nodes, in seconds."""

    lease_seconds: float = 6.0
    renewal_seconds: float = 2.0
    reaper_seconds: float = 2.0


JOIN_SECONDS: Final = 10.0
"""What Postgres may take at the start of a process."""

_RENEW: Final = """
    WITH before AS (SELECT lease_until FROM node WHERE id = $1)
    INSERT INTO node (id, lease_until) VALUES ($1, clock_timestamp() + make_interval(secs => $2))
    ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
    RETURNING (SELECT lease_until < clock_timestamp() FROM before)
"""

_END_OTHERS: Final = (
    "UPDATE node SET lease_until = clock_timestamp() WHERE id <> $1 AND lease_until > clock_timestamp()"
)
_HAS_OTHERS: Final = "SELECT EXISTS (SELECT 1 FROM node WHERE id <> $1 AND lease_until > clock_timestamp())"

_LOST: Final = """
    SELECT mine.id FROM unnest($1::uuid[], $2::bigint[]) AS mine (id, epoch)
      LEFT JOIN chat ON chat.id = mine.id
     WHERE chat.epoch IS DISTINCT FROM mine.epoch
"""

EpochsLost = Callable[[Mapping[UUID, int]], Awaitable[None]]
"""Told which chats, with their epochs in memory, have another epoch in storage."""


class Node:
    """This process among those that share the database.

    Attributes:
        id: made at the start.
        trouble_seconds: monotonic time at which Postgres last could not be asked, or not in time.
    """

    def __init__(
        self, postgres: Postgres, times: LeaseTimes, owned: Callable[[], Mapping[UUID, int]], lost: EpochsLost
    ) -> None:
        """Make a node.

        Args:
            owned: gives the chats that this node writes, with their epochs.
            lost: called with those that another node has taken.
        """
        self.id = new_id()
        self.times = times
        self.trouble_seconds = -math.inf
        self._postgres = postgres
        self._owned = owned
        self._lost = lost
        self._overdue_at_seconds = 0.0  # the first try comes before anything is said
        self._renewing = asyncio.Lock()
        self._has_left = False
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    @property
    def is_overdue(self) -> bool:
        """Whether this node has not even tried to renew its lease for so long that it may have ended unnoticed; not
        one that was given back, which is not renewed."""
        return time.monotonic() > self._overdue_at_seconds

    async def join(self, *, is_sole: bool) -> None:
        """Take the first lease; again, where the connection is lost, as under one id it is the same lease.

        Where other leases hold, nobody is believed dead for one whole lease: whoever was cut off from Postgres together
        with this node gets the time to come back.

        Args:
            is_sole: whether no other node can be alive (one instance on its own data folder): older leases end now.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: Postgres did not let us in.
        """
        until_seconds = time.monotonic() + JOIN_SECONDS
        await repeated(lambda: self.renew(max(0.0, until_seconds - time.monotonic())))
        if is_sole:
            await self._postgres.transact(lambda connection: connection.execute(_END_OTHERS, self.id))
        elif await self._postgres.transact(lambda connection: connection.fetchval(_HAS_OTHERS, self.id)):
            self.trouble_seconds = time.monotonic()

    async def renew(self, patience_seconds: float) -> None:
        """Renew the lease and find out which chats were taken. Raises what Postgres raises.

        Args:
            patience_seconds: how long Postgres may take to let us in, and to do it.
        """
        began_seconds = time.monotonic()
        owned = self._owned()
        async with self._own_connection(patience_seconds) as connection, connection.transaction():
            was_late = await connection.fetchval(_RENEW, self.id, self.times.lease_seconds)
            rows = await connection.fetch(_LOST, list(owned), list(owned.values()))
        if was_late:  # so may others be, for the same reason: a Postgres that did not answer, a machine that slept
            self.trouble_seconds = time.monotonic()
        if rows:
            log.warning("chats_taken_by_another_node", chats=len(rows))
            await self._lost({row["id"]: owned[row["id"]] for row in rows})
        self._tried(began_seconds)  # only now: who asks meanwhile whether it may speak has to wait

    @contextlib.asynccontextmanager
    async def _own_connection(self, patience_seconds: float) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """A connection for renewals alone: they neither queue behind other work nor wait for ever. A server that is
        silent is given up by cutting the connection; to cancel a statement would be to wait for the server again."""
        if self._connection is None:
            async with asyncio.timeout(patience_seconds):
                self._connection = await self._postgres.connect_writer()
        connection = self._connection
        watchdog = asyncio.get_running_loop().call_later(patience_seconds, connection.terminate)
        try:
            yield connection
        except BaseException:
            self._disconnect()
            raise
        finally:
            watchdog.cancel()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def ensure_not_overdue(self) -> None:
        """Before a frame leaves after a freeze: learn what was lost meanwhile. Postgres in trouble: go on."""
        if not self.is_overdue:
            return
        async with self._renewing:
            if self.is_overdue:
                await self._try_to_renew()

    async def _try_to_renew(self) -> None:
        """Renew if Postgres can be asked. The connection may have been lost by itself, in a freeze or with a restart of
        the server, which says nothing about Postgres: another one is tried."""
        for is_last in (False, True):
            try:
                with outages_refused():
                    return await self.renew(self.times.lease_seconds / 2)
            except Refusal as refusal:
                if is_last:
                    log.warning("lease_not_renewed", error=repr(refusal.__cause__))
        self.trouble_seconds = time.monotonic()
        self._tried(self.trouble_seconds)
        return None

    def _tried(self, at_seconds: float) -> None:
        if not self._has_left:
            self._overdue_at_seconds = at_seconds + self.times.lease_seconds

    async def run(self) -> None:
        """Renew until cancelled."""
        try:
            while True:
                await asyncio.sleep(self.times.renewal_seconds)
                if self._has_left:
                    continue
                async with self._renewing:
                    await self._try_to_renew()
        finally:
            self._disconnect()

    async def leave(self) -> None:
        """Give the lease back, for good: what this node still owns may be taken at once."""
        self._has_left, self._overdue_at_seconds = True, math.inf
        await self._postgres.pool.execute(
            "UPDATE node SET lease_until = clock_timestamp() WHERE id = $1 AND lease_until > clock_timestamp()", self.id
        )
