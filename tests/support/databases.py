"""Fresh databases on the PostgreSQL of a test run, each a copy of one that was migrated once."""

import itertools
from dataclasses import dataclass, field

from server.embedded.postgres import EmbeddedPostgres
from server.storage.migrate import upgrade

TEMPLATE = "migrated"


@dataclass
class Databases:
    """Databases of one server.

    Attributes:
        server: where they are; it runs.
    """

    server: EmbeddedPostgres
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def prepare(self) -> None:
        """Makes the one that the others are copies of."""
        self.create_empty(TEMPLATE)
        upgrade(self.server.psql.url(TEMPLATE))

    def create(self) -> str:
        """A new migrated database; returns its name."""
        name = f"test_{next(self._numbers)}"
        self.server.psql.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    def create_empty(self, name: str) -> None:
        """A new database without tables."""
        self.server.psql.run(f"CREATE DATABASE {name}")

    def url(self, name: str) -> str:
        """The address of that database."""
        return self.server.psql.url(name)

    def drop(self, name: str) -> None:
        """Removes it, connections or not."""
        self.server.psql.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
