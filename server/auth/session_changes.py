"""What has become of sessions since they were read; those that are as they were are passed over."""

from collections.abc import Sequence
from typing import Final

from server.auth.sessions import identity_of
from server.domain.identity import Identity
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

# LIMIT keeps each session a look into the index, however many are asked for and however many there are.
_CHANGED: Final = """
SELECT known.place - 1 AS place, now.*
  FROM unnest($1::uuid[], $2::uuid[], $3::text[]) WITH ORDINALITY AS known (session_id, user_id, name, place)
  LEFT JOIN LATERAL (
    SELECT s.id, s.user_id, s.token_hash IS NOT NULL AND s.expires_at > clock_timestamp() AS is_live,
           CASE WHEN u.deleted_at IS NULL THEN u.role END AS role,
           CASE WHEN s.user_id IS NULL THEN s.display_name ELSE u.username END AS name
      FROM session s LEFT JOIN "user" u ON u.id = s.user_id WHERE s.id = known.session_id LIMIT 1
  ) AS now ON true
 WHERE now.is_live IS NOT TRUE OR now.user_id IS DISTINCT FROM known.user_id OR now.name IS DISTINCT FROM known.name
"""


async def read_changes(postgres: Postgres, known: Sequence[Identity]) -> list[tuple[int, Identity | None]]:
    """Which of these identities are not any more what their sessions say, in any order.

    Args:
        postgres: only read from.
        known: users and visitors, no keys; a session may stand there more than once.

    Returns:
        For each, its place among `known` and who it is now: the session was claimed by a user, or the name has changed.
        None: the session has ended.

    Raises:
        Refusal: unavailable.
    """
    if not known:
        return []
    with outages_refused():
        rows = await postgres.pool.fetch(
            _CHANGED,
            [one.session_id for one in known],
            [one.user_id for one in known],
            [one.name for one in known],
        )
    return [(row["place"], identity_of(row) if row["is_live"] else None) for row in rows]
