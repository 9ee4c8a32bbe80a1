"""A user's account, deleted: the person is gone at once, and what was given stays, without a name.

Locks, as at a sign-in: the user, then sessions in the order of their ids, then contributions, and last what the giver
holds. Whoever signs in or settles at this moment comes before and is deleted along, or after and finds nobody.
"""

from typing import Final
from uuid import UUID

import structlog

from server.domain.errors import Code, Refusal
from server.ledger.badges import take_all
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres

_LOCK_USER: Final = 'SELECT username, deleted_at FROM "user" WHERE id = $1 FOR NO KEY UPDATE'
_LOCK_SESSIONS: Final = "SELECT 1 FROM session WHERE user_id = $1 ORDER BY id FOR UPDATE"
_ERASED: Final = (
    """
    UPDATE session SET token_hash = NULL, former_hash = NULL, device = NULL, display_name = NULL,
           expires_at = LEAST(expires_at, clock_timestamp())
     WHERE user_id = $1
    """,
    """
    UPDATE api_key SET revoked_at = COALESCE(revoked_at, clock_timestamp()), name = 'deleted'
      FROM session WHERE session.id = api_key.session_id AND session.user_id = $1
    """,
    "UPDATE contribution SET display_name = NULL WHERE user_id = $1 AND display_name IS NOT NULL",
    "DELETE FROM account WHERE user_id = $1",
    # Kept answers have the display name; a request whose answer is lost this way is nobody's any more.
    """
    DELETE FROM idempotency_key
     WHERE split_part(scope, ' ', 1) IN (SELECT id::text FROM session WHERE user_id = $1)
    """,
)
_FORGET: Final = """
UPDATE "user" SET name = NULL, email = NULL, email_verified = NULL, username = NULL, display_name = NULL, image = NULL,
       picture = 'INITIALS', amounts_public = false, role = 'USER', deleted_at = clock_timestamp()
 WHERE id = $1
"""

log = structlog.get_logger(__name__)


async def delete_user(postgres: Postgres, user_id: UUID, username: str | None) -> None:
    """Delete a user, for ever: names, e-mail, accounts, badges and sessions; doing it again changes nothing.

    The chats are erased afterwards (`server.chats.erasing`).

    Args:
        postgres: where the user is.
        user_id: who.
        username: what they have typed to confirm it, in any case; None or empty where none was chosen.

    Raises:
        Refusal: bad_request, it is not their username; unavailable, then it may have been done all the same.
    """

    async def work(conn: Connection) -> bool:
        row = await conn.fetchrow(_LOCK_USER, user_id)
        if row is None or row["deleted_at"] is not None:
            return False
        if (username or "").strip().lower() != (row["username"] or "").lower():
            raise Refusal(Code.BAD_REQUEST, "This is not your username. Nothing was deleted.")
        await conn.execute(_LOCK_SESSIONS, user_id)
        for statement in _ERASED:
            await conn.execute(statement, user_id)
        await take_all(conn, user_id)
        await conn.execute(_FORGET, user_id)
        return True

    with outages_refused():
        was_there = await postgres.transact(work)
    if was_there:
        log.info("user_deleted", user=str(user_id))
