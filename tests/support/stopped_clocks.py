"""Postgres's clock in one test's database, stopped at any microsecond."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import asyncpg


@dataclass
class StoppedClock:
    """What `clock_timestamp()` tells the statements of this database; defaults of columns have Postgres's own time."""

    _connection: asyncpg.Connection

    @classmethod
    async def install(cls, url: str) -> Self:
        """Put it into the way of Postgres's own, which goes on until the first `stop`; for connections that are opened
        from now on. `close` it in the end."""
        connection = await asyncpg.connect(url)
        await connection.execute(
            """
            CREATE SCHEMA clock;
            CREATE TABLE clock.stopped (at timestamptz);
            CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
                AS 'SELECT coalesce((SELECT max(at) FROM clock.stopped), pg_catalog.clock_timestamp())';
            """
        )
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f'ALTER DATABASE "{name}" SET search_path = clock, pg_catalog, public')
        return cls(connection)

    async def stop(self, at: datetime) -> None:
        """It is this time from now on."""
        await self._connection.execute("DELETE FROM clock.stopped")
        await self._connection.execute("INSERT INTO clock.stopped VALUES ($1)", at)

    async def close(self) -> None:
        """Leave the database."""
        await self._connection.close()
