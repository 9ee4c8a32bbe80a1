"""Fresh databases on the PostgreSQL of a test run, each a copy of one that was migrated once."""

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import asyncpg

from server.embedded.postgres import EmbeddedPostgres
from server.embedded.psql import OWNER
from server.storage.migrate import upgrade

TEMPLATE = "migrated"


class _OwnersConnection:
    """One connection that stays, on a loop in a thread of its own: a program for each statement takes longer than the
    statement, and fixtures have no loop or the test's."""

    def __init__(self, url: str) -> None:
        self._thread = ThreadPoolExecutor(1, "databases")
        self._runner = self._thread.submit(asyncio.Runner).result()
        self._conn = self._thread.submit(self._runner.run, asyncpg.connect(url)).result()

    def execute(self, sql: str) -> None:
        self._thread.submit(self._runner.run, self._conn.execute(sql)).result()

    def close(self) -> None:
        self._thread.submit(self._runner.run, self._conn.close()).result()
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()


@dataclass
class Databases:
    """Databases of one server.

    Attributes:
        server: where they are; it runs.
    """

    server: EmbeddedPostgres
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._owner = _OwnersConnection(self.url(OWNER))

    def close(self) -> None:
        """Lets go of the server; what was made stays."""
        self._owner.close()

    def prepare(self) -> None:
        """Makes the one that the others are copies of."""
        self.create_empty(TEMPLATE)
        upgrade(self.server.psql.url(TEMPLATE))

    def create(self) -> str:
        """A new migrated database; returns its name.

        Copied as files: where nothing waits for a disk, that takes half as long as through the log.
        """
        name = f"test_{next(self._numbers)}"
        self._owner.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        return name

    def create_empty(self, name: str) -> None:
        """A new database without tables."""
        self._owner.execute(f"CREATE DATABASE {name}")

    def url(self, name: str) -> str:
        """The address of that database."""
        return self.server.psql.url(name)

    def drop(self, name: str) -> None:
        """Removes it, connections or not."""
        self._owner.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
