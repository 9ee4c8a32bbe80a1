"""The lease of this node: who is alive, by Postgres's clock.

A node id is made at each process start and never used again. While its lease holds, nobody takes a running answer from
a node; a node that finds its own lease overdue (it was frozen) first asks which chats are still its own.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from server.domain.errors import Refusal
from server.storage.ids import new_id
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long a lease holds, how often it is renewed, how often the reaper looks for dead nodes, in seconds."""

    lease_seconds: float = 6.0
    renewal_seconds: float = 2.0
    reaper_seconds: float = 2.0


DEFAULT_TIMES: Final = LeaseTimes()

_RENEW: Final = """
    WITH before AS (SELECT lease_until FROM node WHERE id = $1)
    INSERT INTO node (id, lease_until) VALUES ($1, clock_timestamp() + make_interval(secs => $2))
    ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
    RETURNING (SELECT lease_until < clock_timestamp() FROM before)
"""

EpochsLost = Callable[[list[UUID]], Awaitable[None]]
"""Told which chats have another epoch in storage than in memory."""


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
        self._renewed_seconds = 0.0
        self._renewing = asyncio.Lock()

    @property
    def is_overdue(self) -> bool:
        """Whether the lease may have ended without this node having noticed."""
        return time.monotonic() - self._renewed_seconds > self.times.lease_seconds

    async def join(self, *, is_sole: bool) -> None:
        """Take the first lease.

        Where other leases hold, nobody is believed dead for one whole lease: whoever was cut off from Postgres together
        with this node gets the time to come back.

        Args:
            is_sole: whether no other node can be alive (one instance on its own data folder): older leases end now.
        """
        await self.renew()
        if is_sole:
            await self._postgres.pool.execute(
                "UPDATE node SET lease_until = clock_timestamp() WHERE id <> $1 AND lease_until > clock_timestamp()",
                self.id,
            )
        elif await self._postgres.pool.fetchval(
            "SELECT EXISTS (SELECT 1 FROM node WHERE id <> $1 AND lease_until > clock_timestamp())", self.id
        ):
            self.trouble_seconds = time.monotonic()

    async def renew(self) -> None:
        """Renew the lease and find out which chats were taken. Raises what Postgres raises."""
        began_seconds = time.monotonic()
        owned = self._owned()
        async with self._postgres.pool.acquire() as connection, connection.transaction():
            was_late = await connection.fetchval(_RENEW, self.id, self.times.lease_seconds)
            rows = await connection.fetch(
                """
                SELECT mine.id FROM unnest($1::uuid[], $2::bigint[]) AS mine (id, epoch)
                  LEFT JOIN chat ON chat.id = mine.id
                 WHERE chat.epoch IS DISTINCT FROM mine.epoch
                """,
                list(owned),
                list(owned.values()),
            )
        self._renewed_seconds = began_seconds
        if was_late:  # so may others be, for the same reason: a Postgres that did not answer, a machine that slept
            self.trouble_seconds = time.monotonic()
        if rows:
            log.warning("chats_taken_by_another_node", chats=len(rows))
            await self._lost([row["id"] for row in rows])

    async def ensure_not_overdue(self) -> None:
        """Before a frame leaves after a freeze: learn what was lost meanwhile. Postgres in trouble: go on."""
        async with self._renewing:
            if not self.is_overdue:
                return
            await self._try_to_renew()

    async def _try_to_renew(self) -> None:
        try:
            with outages_refused():
                await self.renew()
        except Refusal as refusal:
            log.warning("lease_not_renewed", error=repr(refusal.__cause__))
            self.trouble_seconds = time.monotonic()

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(self.times.renewal_seconds)
            async with self._renewing:
                await self._try_to_renew()

    async def leave(self) -> None:
        """Give the lease back: what this node still owns may be taken at once."""
        await self._postgres.pool.execute(
            "UPDATE node SET lease_until = clock_timestamp() WHERE id = $1 AND lease_until > clock_timestamp()", self.id
        )
