"""Checks of the ledger inside a server: those that an admin asks for, and one each day, whichever node does it."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Final

import structlog

from server.domain.errors import Code, Refusal
from server.ledger.audit import CHECK_SECONDS_MAX, Report, check
from server.storage.outages import is_outage, outages_refused
from server.storage.postgres import Postgres
from server.storage.redis import Redis

REQUESTED_SECONDS_MAX: Final = 120.0
"""How long an admin is kept waiting; `tallylight ledger check` has more time."""
BUSY_AFTER_SECONDS: Final = 5.0
DAILY_HOUR: Final = 3
"""The hour of the UTC day from which its check is due, unless the configuration names another one."""
LOOK_SECONDS: Final = 60.0
"""How often a node looks whether the day's check is due."""
GIVEN_UP_AFTER_SECONDS: Final = 2 * CHECK_SECONDS_MAX
"""A check that has not ended by then never will, as its node died: another one begins it anew."""

_BEGIN: Final = """
    INSERT INTO ledger_check AS held (day, started_at)
    SELECT (now() AT TIME ZONE 'UTC')::date, clock_timestamp()
     WHERE extract(hour FROM now() AT TIME ZONE 'UTC') >= $1
    ON CONFLICT (day) DO UPDATE SET started_at = excluded.started_at
     WHERE held.finished_at IS NULL AND held.started_at < clock_timestamp() - $2::interval
    RETURNING day, started_at
"""
_FINISH: Final = """
    UPDATE ledger_check SET finished_at = clock_timestamp(), findings = $3
     WHERE day = $1 AND started_at = $2 AND finished_at IS NULL
"""

log = structlog.get_logger(__name__)


class LedgerChecks:
    """The checks of one node, one at a time."""

    def __init__(
        self,
        postgres: Postgres,
        redis: Redis,
        *,
        requested_seconds_max: float = REQUESTED_SECONDS_MAX,
        daily_hour: int = DAILY_HOUR,
    ) -> None:
        """Wire it.

        Args:
            postgres, redis: what is checked.
            requested_seconds_max: for a check that is asked for.
            daily_hour: 0 to 23, of the UTC day: from then on its check is due.
        """
        self._postgres = postgres
        self._redis = redis
        self._requested_seconds_max = requested_seconds_max
        self._daily_hour = daily_hour
        self._running = asyncio.Lock()

    async def check(self) -> Report:
        """Check the ledger now, for whoever asks.

        Raises:
            Refusal: busy, this node is checking already; unavailable, it could not be done, or not in time.
        """
        if self._running.locked():
            text = "This server is checking the ledger already: ask again in a moment."
            raise Refusal(Code.BUSY, text, after_seconds=BUSY_AFTER_SECONDS)
        loop = asyncio.get_running_loop()
        async with self._running:
            began_seconds = loop.time()
            try:
                with outages_refused():
                    return await check(self._postgres, self._redis, seconds_max=self._requested_seconds_max)
            except Refusal as refusal:
                if loop.time() - began_seconds < self._requested_seconds_max:
                    raise
                text = (
                    f"The check was given up after {self._requested_seconds_max:g} seconds; the command line has more."
                )
                raise Refusal(Code.UNAVAILABLE, text) from refusal

    async def check_of_the_day(self) -> Report | None:
        """Check the ledger if the day's check is due and no node has begun it; what is wrong is told in the log.

        Returns:
            None: it is not due, or another node does it or has done it.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: it could not be done; it is begun anew
                after ``GIVEN_UP_AFTER_SECONDS``.
        """
        begun = await self._postgres.pool.fetchrow(_BEGIN, self._daily_hour, timedelta(seconds=GIVEN_UP_AFTER_SECONDS))
        if begun is None:
            return None
        async with self._running:
            report = await check(self._postgres, self._redis)
        tell(report)
        await self._finish(begun["day"], begun["started_at"], len(report.findings))
        return report

    async def _finish(self, day: date, started_at: datetime, findings: int) -> None:
        await self._postgres.pool.execute(_FINISH, day, started_at, findings)

    async def run(self) -> None:
        """Check the ledger once a day until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.check_of_the_day()
            except Exception as error:
                if not is_outage(error):
                    raise
                log.warning("ledger_not_checked", error=repr(error))


def tell(report: Report) -> None:
    """Write into the log what a check found: each row that is wrong is an error of its own."""
    for finding in report.findings:
        log.error("ledger_finding", invariant=finding.invariant, subject=finding.subject, problem=finding.problem)
    say = log.info if report.is_clean else log.error
    say(
        "ledger_checked",
        is_clean=report.is_clean,
        findings=len(report.findings),
        is_cut=report.is_cut,
        channels=report.channels,
        entries=report.entries,
        chats=report.chats,
        contributions=report.contributions,
        copies_that_differ=None if report.differences is None else len(report.differences),
    )
