"""Bringing a database to the schema of this program, from whatever revision it has."""

import asyncio
from collections.abc import Iterable

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from server.storage.postgres import make_engine

UPGRADE_LOCK = 0x7A11_7119
"""The advisory lock that one upgrade holds to its commit; the program's others have two numbers, another space."""


class SchemaIsUnknown(Exception):
    """The database has a revision that this program does not know: a newer version has upgraded it."""

    def __init__(self, revisions: Iterable[str]) -> None:
        super().__init__(f"The database has the schema of another version ({', '.join(sorted(revisions))}).")


def upgrade(url: str) -> None:
    """Run every revision that the database does not have, in one transaction; nothing happens when it has them all.

    Any number of nodes may start at once: the first one upgrades, the others wait for it and find nothing to do.
    It blocks, and runs an event loop of its own: call it from a thread (`asyncio.to_thread`) where one is running.

    Args:
        url: ``postgresql://user:password@host:port/database``.

    Raises:
        OSError: the server cannot be reached.
        asyncpg.PostgresError: it refused the connection or a statement; nothing was changed.
        SchemaIsUnknown: the database has a revision that is newer than this program.
    """
    asyncio.run(_upgrade(url))


async def is_current(url: str) -> bool:
    """Whether a database has exactly the schema of this program.

    Raises:
        OSError: the server cannot be reached.
        asyncpg.PostgresError: it refused the connection.
    """
    engine = make_engine(url, connections=1, server_settings={"application_name": "tallylight upgrade"})
    try:
        async with engine.connect() as connection:
            found = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_heads())
    finally:
        await engine.dispose()
    return set(found) == set(ScriptDirectory.from_config(_config()).get_heads())


async def _upgrade(url: str) -> None:
    engine = make_engine(url, connections=1, server_settings={"application_name": "tallylight upgrade"})
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": UPGRADE_LOCK})
            await connection.run_sync(_run_revisions)
    finally:
        await engine.dispose()


def _run_revisions(connection: Connection) -> None:
    config = _config()
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if unknown:
        raise SchemaIsUnknown(unknown)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "server.storage:migrations")
    return config
