"""What goes by itself: chats that nobody wrote in, old quota counters, nodes that are long gone."""

import asyncio
from typing import Final

import structlog

from server.domain.errors import Refusal
from server.ledger import quotas
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

PERIOD_SECONDS: Final = 600.0
ROWS_AT_ONCE_MAX: Final = 1_000

_EMPTY_CHATS: Final = """
    WITH empty AS (
        SELECT id FROM chat
         WHERE last_message_at IS NULL AND created_at < clock_timestamp() - interval '1 day'
         ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ), members AS (
        DELETE FROM chat_member USING empty WHERE chat_member.chat_id = empty.id
    )
    DELETE FROM chat USING empty WHERE chat.id = empty.id
"""
_GONE_NODES: Final = """
    DELETE FROM node WHERE lease_until < clock_timestamp() - interval '1 day'
"""
# By Postgres's clock, as the days are counted; one more is kept for transactions that began before midnight.
_YESTERDAY: Final = "SELECT (now() AT TIME ZONE 'UTC')::date - 1"

log = structlog.get_logger(__name__)


class Housekeeping:
    """Tidies the rows of this database; any number of nodes may do it at once."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def tidy(self) -> int:
        """Remove what is over; returns how many empty chats went.

        Raises:
            Refusal: `unavailable`.
        """
        removed = 0
        with outages_refused():
            while (batch := await self._remove_empty_chats()) > 0:
                removed += batch
            await self._postgres.pool.execute(_GONE_NODES)
            async with self._postgres.pool.acquire() as connection:
                await quotas.forget_before(connection, await connection.fetchval(_YESTERDAY))
        return removed

    async def _remove_empty_chats(self) -> int:
        status = await self._postgres.pool.execute(_EMPTY_CHATS, ROWS_AT_ONCE_MAX)
        return int(status.removeprefix("DELETE "))

    async def run(self) -> None:
        """Tidy every ten minutes until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                removed = await self.tidy()
                log.info("tidied", empty_chats=removed)
            except Refusal as refusal:
                log.warning("not_tidied", error=repr(refusal.__cause__))
