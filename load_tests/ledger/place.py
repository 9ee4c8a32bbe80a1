"""A PostgreSQL of its own for the years, filled once, kept where that is wanted."""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import asyncpg

from load_tests.ledger.measuring import Timing, measure
from load_tests.ledger.years import Years, make_years
from load_tests.stage import BooksBroken
from server.embedded.data_folder import DataFolder
from server.embedded.postgres import EmbeddedPostgres
from server.ledger.audit import check
from server.storage.migrate import upgrade
from server.storage.postgres import Postgres

YEARS_MAX: Final = 20_000_000
SETTINGS: Final = {
    # The rows can be made again, so none has to survive a power cut while they are made.
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "shared_buffers": "1GB",
    "effective_cache_size": "8GB",
    "random_page_cost": "1.1",
}
"""A small server with an SSD; PostgreSQL's own defaults are for less."""


def measured_years(
    years: Years, folder: Path | None, told: Callable[[str], None], *, only_fill: bool
) -> Sequence[Timing]:
    """Fill, unless the folder has it all, check the ledger, and measure. From the main thread.

    Args:
        folder: a data folder that stays; None: one that is removed at the end.
        told: called with what is being done.
        only_fill: whether nothing is measured; nothing is returned then.

    Raises:
        BooksBroken: the check of the ledger found something.
    """
    with _postgres(folder) as server:
        upgrade(server.url)
        if asyncio.run(_is_empty(server.url)):
            asyncio.run(make_years(server.url, years, told))
            told("checking the ledger")
            asyncio.run(_check(server.url))
        return [] if only_fill else asyncio.run(measure(server.url, told))


@contextlib.contextmanager
def _postgres(path: Path | None) -> Iterator[EmbeddedPostgres]:
    with contextlib.ExitStack() as stack:
        if path is None:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tallylight-years-"))) / "data"
        server = EmbeddedPostgres(stack.enter_context(DataFolder(path)), SETTINGS)
        server.start()
        stack.callback(server.stop)
        yield server


async def _is_empty(url: str) -> bool:
    conn = await asyncpg.connect(url)
    try:
        return not await conn.fetchval('SELECT EXISTS (SELECT FROM "transaction")')
    finally:
        await conn.close()


async def _check(url: str) -> None:
    postgres = await Postgres.open(url)
    try:
        found = await check(postgres)
    finally:
        await postgres.close()
    if found.findings:
        raise BooksBroken(str(found.findings[:10]))
