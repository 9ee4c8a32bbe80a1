"""What badges are decided from, read from the rows: the badges themselves, a giver's gifts and chats."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from server.domain.badges import Badge, Gift, Tally
from server.domain.criteria import BadCriteria, Criterion
from server.domain.givers import Giver
from server.domain.transactions import TransactionType
from server.storage.postgres import Connection

log = structlog.get_logger(__name__)

# A giver's transactions that stand, with what is left of each; $1 is the user, $2 the session that nobody has claimed.
_STANDING: Final = """
    WITH standing AS (
        SELECT given.id, given.contribution_id, given.channel_id, given.type, given.created_at,
               given.credits + reversed.credits AS credits
          FROM "transaction" AS given
         CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount_cents), 0) AS amount_cents, coalesce(sum(credits), 0)::bigint AS credits
              FROM "transaction" AS reversal WHERE reversal.reverses_id = given.id
         ) AS reversed
         WHERE (given.user_id = $1 OR given.user_id IS NULL AND given.session_id = $2)
           AND given.reverses_id IS NULL AND given.amount_cents + reversed.amount_cents > 0
    )
"""
# A channel that was activated got there with its newest activation: after it, activations become credits.
_CLOSED: Final = """
    (one.type = 'ACTIVATION' AND one.id IS NOT DISTINCT FROM (
        SELECT newest.id FROM "transaction" AS newest JOIN channel ON channel.id = newest.channel_id
         WHERE newest.channel_id = one.channel_id AND newest.type = 'ACTIVATION' AND newest.reverses_id IS NULL
           AND channel.activated_at IS NOT NULL
         ORDER BY newest.created_at DESC, newest.id DESC LIMIT 1
    )) AS closed_goal
"""
_TALLY: Final = f"""
    {_STANDING}
    SELECT count(DISTINCT contribution_id) AS contributions, count(DISTINCT channel_id) AS channels,
           coalesce(bool_or(channel_id = $3), false) AS is_supporter,
           coalesce(sum(credits) FILTER (WHERE channel_id = $3), 0)::bigint AS credits
      FROM standing WHERE contribution_id <> $4
"""  # noqa: S608 - constants
_SUMS: Final = f"""
    {_STANDING}
    SELECT channel_id, count(DISTINCT contribution_id) AS contributions, sum(credits)::bigint AS credits
      FROM standing GROUP BY channel_id
"""  # noqa: S608 - constants
_HISTORY: Final = f"""
    {_STANDING}
    SELECT one.*, {_CLOSED} FROM standing AS one ORDER BY one.created_at, one.id
"""  # noqa: S608 - constants
_SETTLED: Final = f"""
    SELECT one.id, one.contribution_id, one.channel_id, one.type, one.created_at, one.credits, {_CLOSED}
      FROM "transaction" AS one WHERE one.contribution_id = $1 AND one.reverses_id IS NULL
     ORDER BY one.created_at, one.id
"""  # noqa: S608 - constants
# Walks from giver to giver, in the order of their first gifts, and never further than asked. A gift that was reversed
# keeps its place: a place is taken once, and not passed on to those who come later.
_OTHERS_BEFORE: Final = """
    SELECT asked.channel_id, (
        WITH RECURSIVE other AS (
            SELECT '-infinity'::timestamptz AS created_at, '00000000-0000-0000-0000-000000000000'::uuid AS id,
                   ARRAY[]::uuid[] AS seen
            UNION ALL
            SELECT next.created_at, next.id, other.seen || next.giver_id FROM other CROSS JOIN LATERAL (
                SELECT given.created_at, given.id, coalesce(given.user_id, given.session_id) AS giver_id
                  FROM "transaction" AS given
                 WHERE given.channel_id = asked.channel_id AND given.reverses_id IS NULL
                   AND (given.created_at, given.id) < (asked.created_at, asked.id)
                   AND (given.created_at, given.id) > (other.created_at, other.id)
                   AND coalesce(given.user_id, given.session_id) <> ALL (other.seen || $4::uuid)
                 ORDER BY given.created_at, given.id LIMIT 1
            ) AS next
             WHERE cardinality(other.seen) < $5
        )
        SELECT max(cardinality(seen)) FROM other
    ) AS others
      FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[]) AS asked (channel_id, created_at, id)
"""
_CHATS: Final = """
    SELECT first_token_at FROM chat
     WHERE (user_id = $1 OR user_id IS NULL AND session_id = $2) AND credit_state = 'SPENT'
     ORDER BY first_token_at LIMIT $3
"""


async def read_badges(conn: Connection) -> list[Badge]:
    """All badges in their order. One whose criteria nobody can read is told in the log and left out: an admin's slip
    must not stop a payment."""
    badges = []
    for row in await conn.fetch(
        "SELECT id, name, description, icon, criteria, position FROM badge ORDER BY position, id"
    ):
        try:
            criterion = Criterion.read(json.loads(row["criteria"]))
        except BadCriteria as error:
            log.warning("badge_unreadable", badge=row["name"], why=str(error))
            continue
        badges.append(Badge(row["id"], row["name"], row["description"], row["icon"], criterion, row["position"]))
    return badges


async def read_history(conn: Connection, giver: Giver, *, places: int) -> list[Gift]:
    """All gifts of a giver that stand, in the order of their times.

    Args:
        places: how many places of a channel's first givers are looked at; 0: none.
    """
    rows = await conn.fetch(_HISTORY, giver.user_id, giver.session_id)
    firsts = {row["channel_id"]: row for row in reversed(rows)}
    place_of = await _read_places(conn, giver, list(firsts.values()), places)
    return [_gift(row, place_of[row["channel_id"]] if row is firsts[row["channel_id"]] else None) for row in rows]


async def read_settled(
    conn: Connection, giver: Giver, contribution_id: UUID, *, places: int
) -> tuple[Tally, Sequence[Gift]]:
    """The gifts that a contribution became, and what its giver had given before.

    Args:
        conn: in the transaction that settles it, which has locked the channel and the giver's holdings.
    """
    rows = await conn.fetch(_SETTLED, contribution_id)
    channel_id = rows[0]["channel_id"]
    sums = await conn.fetchrow(_TALLY, giver.user_id, giver.session_id, channel_id, contribution_id)
    assert sums is not None
    tally = Tally(
        contributions=sums["contributions"],
        channels=sums["channels"],
        credits={channel_id: sums["credits"]},
        channel_ids={channel_id} if sums["is_supporter"] else set(),
    )
    firsts = [] if sums["is_supporter"] else rows[:1]
    place_of = await _read_places(conn, giver, firsts, places)
    return tally, [_gift(row, place_of.get(channel_id) if row is rows[0] else None) for row in rows]


async def read_tally(conn: Connection, giver: Giver) -> Tally:
    """What a giver has given, without what was reversed."""
    rows = await conn.fetch(_SUMS, giver.user_id, giver.session_id)
    return Tally(
        contributions=sum(row["contributions"] for row in rows),
        channels=len(rows),
        credits={row["channel_id"]: row["credits"] for row in rows},
        channel_ids={row["channel_id"] for row in rows},
    )


async def read_chats(conn: Connection, giver: Giver, *, limit: int) -> list[datetime]:
    """When the first chats of a giver got their first token, after which the credit does not come back."""
    if not limit:
        return []
    rows = await conn.fetch(_CHATS, giver.user_id, giver.session_id, limit)
    return [row["first_token_at"] for row in rows]


async def _read_places(
    conn: Connection, giver: Giver, firsts: Sequence[asyncpg.Record], places: int
) -> dict[UUID, int | None]:
    """By channel, which of its givers this one is with this first gift; None: beyond the places that are asked for."""
    if not places or not firsts:
        return {row["channel_id"]: None for row in firsts}
    columns = ([row[column] for row in firsts] for column in ("channel_id", "created_at", "id"))
    rows = await conn.fetch(_OTHERS_BEFORE, *columns, giver.user_id or giver.session_id, places)
    return {row["channel_id"]: None if row["others"] >= places else row["others"] + 1 for row in rows}


def _gift(row: asyncpg.Record, place: int | None) -> Gift:
    return Gift(
        row["id"],
        row["contribution_id"],
        row["channel_id"],
        TransactionType(row["type"]),
        row["credits"],
        row["created_at"],
        row["closed_goal"],
        place,
    )
