"""How long reads take: in the database, as its own auto_explain says, and for who waits for the rows."""

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from sqlalchemy import event

from load_tests.figures import Delays
from load_tests.ledger.cases import Case, choose_cases
from server.storage.postgres import Postgres

SETTINGS: Final = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_level": "notice",
}
"""Each statement's plan and time come as a notice; planning is not in the time."""
WARM_UP_READS: Final = 3
_DURATION: Final = re.compile(r"duration: ([\d.]+) ms")
_BUFFERS: Final = re.compile(r"Buffers: shared ([^\n]*)")


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of one case.

    Attributes:
        database: all statements of one read, without planning.
        client: the same reads through SQLAlchemy Core and asyncpg, planning and the way there included.
        buffers_max: pages of 8 KiB that the greatest read looked at.
        slowest_plan: the statements and plans of the slowest read.
    """

    group: str
    name: str
    database: Delays
    client: Delays
    buffers_max: int
    slowest_plan: str


@dataclass
class _Notices:
    """What the database says of the statements since the last time."""

    plans: list[str] = field(default_factory=list)

    def hear(self, _: object, message: asyncpg.PostgresLogMessage) -> None:
        text = str(getattr(message, "message", message))
        if text.startswith("duration:"):
            self.plans.append(text)

    def take(self) -> list[str]:
        plans, self.plans = self.plans, []
        return plans


async def measure(url: str, told: Callable[[str], None]) -> list[Timing]:
    """Measure every case twice: plainly, and with auto_explain.

    Args:
        url: of a superuser's connection, to a database that `years` filled.
        told: called with what is being done.
    """
    told("choosing places")
    chosen = await choose_cases(url)
    await _set(url, on=False)
    told("reading")
    plain = await Postgres.open(url)
    try:
        clients = [await _client_us(plain, case) for case in chosen]
    finally:
        await plain.close()
    await _set(url, on=True)
    told("reading with auto_explain")
    explained, notices = await Postgres.open(url), _Notices()
    event.listen(
        explained.engine.sync_engine,
        "connect",
        lambda connection, _: connection.driver_connection.add_log_listener(notices.hear),
    )
    try:
        return [await _timing(explained, *each, notices) for each in zip(chosen, clients, strict=True)]
    finally:
        await explained.close()
        await _set(url, on=False)


async def _set(url: str, *, on: bool) -> None:
    conn = await asyncpg.connect(url)
    try:
        database = await conn.fetchval("SELECT quote_ident(current_database())")
        for name, value in SETTINGS.items():
            await conn.execute(f"ALTER DATABASE {database} " + (f"SET {name} = '{value}'" if on else f"RESET {name}"))
    finally:
        await conn.close()


async def _warm_up(postgres: Postgres, case: Case) -> None:
    """Statements are parsed and connections made before anything counts."""
    for read in case.reads[:WARM_UP_READS]:
        await read(postgres)


async def _client_us(postgres: Postgres, case: Case) -> list[int]:
    await _warm_up(postgres, case)
    times = []
    for read in case.reads:
        began = time.perf_counter_ns()
        await read(postgres)
        times.append((time.perf_counter_ns() - began) // 1_000)
    return times


async def _timing(postgres: Postgres, case: Case, client_us: Sequence[int], notices: _Notices) -> Timing:
    reads: list[tuple[int, int, str]] = []
    await _warm_up(postgres, case)
    await asyncio.sleep(0)  # listeners are called by the loop
    notices.take()
    for read in case.reads:
        await read(postgres)
        await asyncio.sleep(0)
        plans = notices.take()
        us = sum(round(float(_first(_DURATION, plan)) * 1_000) for plan in plans)
        buffers = sum(sum(map(int, re.findall(r"=(\d+)", _first(_BUFFERS, plan)))) for plan in plans)
        reads.append((us, buffers, "\n".join(plans)))
    slowest = max(reads)
    return Timing(
        case.group,
        case.name,
        Delays.of_us([us for us, _, _ in reads]),
        Delays.of_us(client_us),
        max(buffers for _, buffers, _ in reads),
        slowest[2],
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else "0"
