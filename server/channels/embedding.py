"""Which pages may show a channel's chat."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog

from server.domain.embed_origins import embed_origins_of
from server.domain.errors import Code, Refusal
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres

_LOCK: Final = "SELECT embed_origins FROM channel WHERE id = $1 FOR NO KEY UPDATE"
_SET: Final = "UPDATE channel SET embed_origins = $2, updated_at = clock_timestamp() WHERE id = $1"
_IS_LISTED: Final = (
    "SELECT EXISTS (SELECT FROM channel WHERE embed_origins @> ARRAY[$1::text] AND embed_origins <> '{}')"
)

log = structlog.get_logger(__name__)


class Embedding:
    """The origins in Postgres."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def allow(self, channel_id: UUID, texts: Sequence[str], *, by_user_id: UUID | None) -> list[str]:
        """Let the pages of these origins show a channel's chat, and no others. Doing it again changes nothing.

        Args:
            channel_id: whose chat.
            texts: the addresses; none: nobody may.
            by_user_id: the admin, for the log; None: somebody at the command line.

        Returns:
            The origins, as browsers write them.

        Raises:
            Refusal: bad_request, one is no origin, or they are too many; not_found, there is no such channel;
                unavailable.
        """
        origins = embed_origins_of(texts)

        async def work(conn: Connection) -> list[str]:
            before = await conn.fetchval(_LOCK, channel_id)
            if before is None:
                raise Refusal(Code.NOT_FOUND, "There is no such channel.")
            if before != origins:
                await conn.execute(_SET, channel_id, origins)
            return list(before)

        with outages_refused():
            before = await self._postgres.transact(work)
        if before != origins:
            by = None if by_user_id is None else str(by_user_id)
            log.warning("embed_origins_changed", channel=str(channel_id), before=before, after=origins, by=by)
        return origins

    async def is_listed(self, origin: str) -> bool:
        """Whether pages of this origin may show the chat of any channel at all.

        Raises:
            Refusal: unavailable.
        """
        with outages_refused():
            return bool(await self._postgres.pool.fetchval(_IS_LISTED, origin))
