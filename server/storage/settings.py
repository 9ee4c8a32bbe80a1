"""The live settings of one node: defaults, then the environment, then the rows of `configuration_setting`.

Every node reads the rows again each second, so a change is live everywhere within two. Reading beats listening for a
notice here: the table has a few rows, and it needs no connection of its own that could be lost unnoticed.
"""

import asyncio
from collections.abc import Iterable
from typing import NoReturn
from uuid import UUID

import structlog

from server.domain.errors import Refusal
from server.domain.settings import Setting, Settings, known
from server.storage.postgres import Postgres, is_unreachable

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0


class LiveSettings:
    """What the settings are now; read `current` each time, do not keep it.

    Args:
        base: the defaults with the environment applied; rows stand above it.
        poll_seconds: how often the rows are read.
    """

    def __init__(self, postgres: Postgres, base: Settings, poll_seconds: float = POLL_SECONDS) -> None:
        self._postgres = postgres
        self._base = base
        self._poll_seconds = poll_seconds
        self._current = base
        self._is_stale = False
        self._bad_rows: frozenset[tuple[str, str]] = frozenset()

    @property
    def current(self) -> Settings:
        """The settings as of the last reading; while Postgres is away they stay as they were."""
        return self._current

    async def load(self) -> None:
        """Read the rows now.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: they could not be read.
        """
        rows = await self._postgres.pool.fetch("SELECT key, value FROM configuration_setting ORDER BY key")
        self._apply((row["key"], row["value"]) for row in rows)

    async def follow(self) -> NoReturn:
        """Read the rows for ever, every ``poll_seconds``; run it in a task."""
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self.load()
            except Exception as error:
                if not is_unreachable(error):
                    raise
                if not self._is_stale:
                    log.warning("settings.stale", error=repr(error))
                self._is_stale = True
            else:
                self._is_stale = False

    async def change(self, key: str, text: str, updated_by: UUID | None) -> Settings:
        """Set one setting: on this node now, on the others when they read the rows.

        Args:
            key: a key of the registry.
            text: its value, as `Setting.parse` reads it.
            updated_by: the admin; None means the command line.

        Raises:
            Refusal: ``not_found`` or ``bad_request``; nothing was changed.
        """
        setting = known(key)
        value = Setting.text_of(setting.parse(text))
        await self._postgres.pool.execute(
            """
            INSERT INTO configuration_setting (key, value, description, type, updated_by)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (key) DO UPDATE
            SET value = excluded.value, description = excluded.description, type = excluded.type,
                updated_by = excluded.updated_by, updated_at = clock_timestamp()
            """,
            key,
            value,
            setting.description,
            setting.type,
            updated_by,
        )
        await self.load()
        return self._current

    def _apply(self, rows: Iterable[tuple[str, str]]) -> None:
        settings, bad_rows = self._base, set()
        for key, text in rows:
            try:
                settings = settings.with_texts({key: text})
            except Refusal as refusal:  # of another version of this program, or written by hand: not a reason to stop
                bad_rows.add((key, text))
                if (key, text) not in self._bad_rows:
                    log.warning("settings.bad_row", key=key, reason=refusal.message)
        self._bad_rows = frozenset(bad_rows)
        if settings != self._current:
            log.info("settings.changed")
        self._current = settings
