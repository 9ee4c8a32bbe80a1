"""The live sessions of one person, to look at and to end. A visitor has one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, func, select

from server.domain.identity import Identity
from server.domain.pages import Page, Position
from server.storage.keyset import fetch_page, order_by_time
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres
from server.storage.tables.people import session

_ORDER: Final = order_by_time(session.c.last_seen_at, session.c.id, descending=True)
_ENDED: Final = "token_hash = NULL, former_hash = NULL, expires_at = LEAST(expires_at, clock_timestamp())"
_END: Final = f"UPDATE session SET {_ENDED} WHERE id = $1 AND token_hash IS NOT NULL"  # noqa: S608 - a constant
# What an API key keeps is no session that anybody has: it ends with the key.
_OWNS: Final = """
SELECT true FROM session WHERE id = $1 AND (user_id = $2 OR $2::uuid IS NULL AND id = $3)
   AND NOT EXISTS (SELECT FROM api_key WHERE session_id = session.id)
"""
_END_OTHERS: Final = f"""
WITH others AS (
    SELECT id FROM session WHERE user_id = $1 AND token_hash IS NOT NULL AND id IS DISTINCT FROM $2
     ORDER BY id FOR UPDATE
)
UPDATE session SET {_ENDED} FROM others WHERE session.id = others.id
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A live session.

    Attributes:
        device: a short name of the browser; None: it is not known.
        last_seen_at: to some minutes (`SessionLimits.renewal_seconds`).
        signed_in_at: None: a visitor's.
    """

    id: UUID
    device: str | None
    created_at: datetime
    last_seen_at: datetime
    signed_in_at: datetime | None


class OwnSessions:
    """The sessions in Postgres, for whom they belong to. Every method raises Refusal `unavailable`."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def page(self, identity: Identity, position: Position | None = None, *, limit: int) -> Page[OwnSession]:
        """A page of the caller's live sessions, the one used last first.

        Args:
            identity: a user or a visitor.
            position: None means the beginning.
            limit: sessions at most.

        Raises:
            Refusal: bad_request, the position is of another list; unavailable.
        """
        columns = (session.c.id, session.c.device, session.c.created_at, session.c.last_seen_at, session.c.signed_in_at)
        statement = select(*columns).where(_live_of(identity))
        with outages_refused():
            async with self._postgres.engine.connect() as connection:
                page = await fetch_page(connection, statement, _ORDER, position, limit)
        return Page([_session_of(row) for row in page.items], page.next, page.previous)

    async def end(self, identity: Identity, session_id: UUID) -> bool:
        """End a session of the caller's, for ever; once is as good as twice. False: it is not theirs."""
        with outages_refused():
            is_own = await self._postgres.pool.fetchval(_OWNS, session_id, identity.user_id, identity.session_id)
            if is_own:
                await self._postgres.pool.execute(_END, session_id)
        return bool(is_own)

    async def end_others(self, identity: Identity) -> int:
        """End all sessions of a user but the one that asks; returns how many."""
        with outages_refused():
            return await self._postgres.transact(
                lambda connection: end_sessions_of(connection, identity.user_id, but=identity.session_id)
            )


async def end_sessions_of(connection: Connection, user_id: UUID | None, *, but: UUID | None = None) -> int:
    """End the sessions of a user, locked in the order of their ids.

    Args:
        connection: in a transaction of the caller's.
        user_id: None, a visitor, has no others.
        but: the one that stays; None: none does.
    """
    status = await connection.execute(_END_OTHERS, user_id, but)
    return int(status.removeprefix("UPDATE "))


def _live_of(identity: Identity) -> ColumnElement[bool]:
    own = session.c.id == identity.session_id if identity.user_id is None else session.c.user_id == identity.user_id
    return and_(own, session.c.token_hash.is_not(None), session.c.expires_at > func.clock_timestamp())


def _session_of(row: Row[Any]) -> OwnSession:
    return OwnSession(**{field: getattr(row, field) for field in OwnSession.__slots__})
