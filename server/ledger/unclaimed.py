"""What a visitor's session holds and a sign-in would move, for the page on which people sign in."""

from dataclasses import dataclass
from uuid import UUID

from server.domain.transactions import ContributionStatus
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

PAID = (ContributionStatus.SETTLED, ContributionStatus.REVERSED)
"""Contributions that people count: those that were paid, also where the money went back later."""

_READ = """
SELECT (SELECT count(*) FROM contribution WHERE session_id = s.id AND user_id IS NULL AND status = ANY($2))
           AS contributions,
       COALESCE((SELECT jsonb_array_length(badges) FROM session_badge WHERE session_id = s.id), 0) AS badges,
       (SELECT count(*) FROM chat WHERE session_id = s.id AND user_id IS NULL AND deleted_at IS NULL
           AND last_message_at IS NOT NULL) AS chats
  FROM session s WHERE s.id = $1 AND s.user_id IS NULL
"""


@dataclass(frozen=True, slots=True)
class Unclaimed:
    """What nobody has claimed so far.

    Attributes:
        contributions: that were paid.
        chats: with a message.
    """

    contributions: int = 0
    badges: int = 0
    chats: int = 0


async def read_unclaimed(postgres: Postgres, session_id: UUID) -> Unclaimed:
    """What this session holds; nothing once a user has claimed it.

    Raises:
        Refusal: unavailable.
    """
    with outages_refused():
        row = await postgres.pool.fetchrow(_READ, session_id, list(PAID))
    return Unclaimed() if row is None else Unclaimed(row["contributions"], row["badges"], row["chats"])
