"""Who pays for a channel: its latest contributors, what they gave to activation and what they bought in credits."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

CONTRIBUTORS_SHOWN_MAX: Final = 20
TRANSACTIONS_LOOKED_AT_MAX: Final = 200
"""The latest contributors are looked for among this many of the newest transactions; their sums are over all."""


@dataclass(frozen=True, slots=True)
class Contributor:
    """One person, or one visitor's session.

    Attributes:
        name: what they chose to be called; None means an anonymous supporter.
        activation_cents: given to activation, without what was reversed.
        credits: bought, without what was reversed.
    """

    name: str | None
    activation_cents: int
    credits: int


_LATEST: Final = """
WITH recent AS (
    SELECT user_id, session_id, created_at FROM "transaction"
     WHERE channel_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
), person AS (
    SELECT user_id, CASE WHEN user_id IS NULL THEN session_id END AS session_id, max(created_at) AS latest_at
      FROM recent GROUP BY 1, 2
)
SELECT CASE WHEN person.user_id IS NULL THEN given.display_name ELSE account.username END AS name,
       given.activation_cents, given.credits
  FROM person
  LEFT JOIN "user" account ON account.id = person.user_id
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(t.amount_cents) FILTER (WHERE t.type = 'ACTIVATION'), 0)::bigint AS activation_cents,
           coalesce(sum(t.credits), 0)::bigint AS credits,
           (array_agg(c.display_name ORDER BY t.created_at DESC) FILTER (WHERE c.display_name IS NOT NULL))[1]
               AS display_name
      FROM "transaction" t JOIN contribution c ON c.id = t.contribution_id
     WHERE t.channel_id = $1
       AND (t.user_id = person.user_id OR (t.user_id IS NULL AND t.session_id = person.session_id))
 ) given
 WHERE given.activation_cents > 0 OR given.credits > 0
 ORDER BY person.latest_at DESC
 LIMIT $3
"""


_COUNT_ACTIVATION: Final = """
SELECT count(*) FROM (
    SELECT 1 FROM "transaction" WHERE channel_id = $1 AND type = 'ACTIVATION'
     GROUP BY coalesce(user_id, session_id) HAVING sum(amount_cents) > 0
) person
"""


async def latest_contributors(postgres: Postgres, channel_id: UUID) -> list[Contributor]:
    """The channel's latest contributors, newest first; one whose contributions were all reversed is none.

    Raises:
        Refusal: unavailable.
    """
    with outages_refused():
        rows = await postgres.pool.fetch(_LATEST, channel_id, TRANSACTIONS_LOOKED_AT_MAX, CONTRIBUTORS_SHOWN_MAX)
    return [Contributor(**dict(row)) for row in rows]


async def count_activation_contributors(postgres: Postgres, channel_id: UUID) -> int:
    """How many people gave to the channel's activation; one whose gifts were all reversed is none.

    The goal bounds how many rows are looked at.

    Raises:
        Refusal: unavailable.
    """
    with outages_refused():
        count = await postgres.pool.fetchval(_COUNT_ACTIVATION, channel_id)
    return int(count)
