"""Badges for people to look at: one's own and how far one is, and who holds what on a channel. Nothing is locked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from server.domain.badge_progress import Progress, Standing, next_steps, progress
from server.domain.badges import Badge, Tally
from server.domain.criteria import CriterionKind, greatest_number
from server.domain.givers import Giver
from server.ledger.badge_facts import read_badges, read_chats, read_tally
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

CHANNELS_SHOWN_MAX: Final = 100
"""Channels on which somebody has earned a badge, the latest of each badge; the count is of all."""
HOLDERS_SHOWN_MAX: Final = 20
"""Holders of a badge on a channel, the latest; the count is of all, up to `HOLDERS_COUNTED_MAX`."""
HOLDERS_COUNTED_MAX: Final = 1_000
"""The channel's page is opened often: beyond it a count says "or more"."""

# What users and visitors hold, in one shape. The list of a visitor has the words of the wire.
_OF_GIVERS: Final = """
    SELECT user_id, NULL::uuid AS session_id, badge_id, channel_id, earned_at, transaction_id
      FROM user_badge WHERE user_id = ANY($1)
     UNION ALL
    SELECT NULL, session_id, (kept ->> 'badgeId')::uuid, (kept ->> 'channelId')::uuid,
           (kept ->> 'earnedAt')::timestamptz, (kept ->> 'transactionId')::uuid
      FROM session_badge, jsonb_array_elements(badges) AS kept WHERE session_id = ANY($2)
"""
_MINE: Final = f"""
    SELECT numbered.*, channel.name, channel.title FROM (
        SELECT badge_id, channel_id, earned_at,
               row_number() OVER (PARTITION BY badge_id ORDER BY earned_at DESC, channel_id) AS place,
               count(*) OVER (PARTITION BY badge_id) AS count, min(earned_at) OVER (PARTITION BY badge_id) AS first_at
          FROM ({_OF_GIVERS}) AS held
    ) AS numbered LEFT JOIN channel ON channel.id = numbered.channel_id
     WHERE numbered.place <= $3 ORDER BY numbered.earned_at DESC, numbered.channel_id
"""  # noqa: S608 - constants
_BESIDE_NAMES: Final = f"""
    SELECT held.user_id, held.session_id, held.badge_id FROM ({_OF_GIVERS}) AS held
     WHERE held.channel_id = $3 OR held.channel_id IS NULL
"""  # noqa: S608 - constants
_CHANNELS: Final = "SELECT id, name, title FROM channel WHERE id = ANY($1)"
# Each half of the holders comes from its index; a name is the user's, or the last with which the visitor paid.
_HOLDERS: Final = """
    WITH asked AS (SELECT id FROM unnest($2::uuid[]) AS asked (id)), holder AS (
        SELECT asked.id AS badge_id, found.* FROM asked CROSS JOIN LATERAL (
            SELECT user_id, NULL::uuid AS session_id, earned_at FROM user_badge
             WHERE channel_id = $1 AND badge_id = asked.id ORDER BY earned_at DESC LIMIT $4
        ) AS found
         UNION ALL
        SELECT asked.id, found.* FROM asked CROSS JOIN LATERAL (
            SELECT NULL::uuid, session_badge.session_id, (kept ->> 'earnedAt')::timestamptz
              FROM session_badge, jsonb_array_elements(badges) AS kept
             WHERE badges @> jsonb_build_array(jsonb_build_object('badgeId', asked.id, 'channelId', $1))
               AND kept ->> 'badgeId' = asked.id::text AND kept ->> 'channelId' = $1::text
             LIMIT $4
        ) AS found
    ), numbered AS (
        SELECT *, row_number() OVER (PARTITION BY badge_id ORDER BY earned_at DESC, user_id, session_id) AS place,
               least(count(*) OVER (PARTITION BY badge_id), $4) AS count
          FROM holder
    )
    SELECT numbered.badge_id, numbered.earned_at, numbered.count,
           CASE WHEN numbered.user_id IS NULL THEN coalesce(given.display_name, session.display_name)
                ELSE account.username END AS name
      FROM numbered
      LEFT JOIN "user" AS account ON account.id = numbered.user_id AND account.deleted_at IS NULL
      LEFT JOIN session ON session.id = numbered.session_id
      LEFT JOIN LATERAL (
        SELECT display_name FROM contribution
         WHERE contribution.session_id = numbered.session_id AND contribution.user_id IS NULL
           AND contribution.channel_id = $1 AND display_name IS NOT NULL AND settled_at IS NOT NULL
         ORDER BY settled_at DESC, contribution.id DESC LIMIT 1
      ) AS given ON true
     WHERE numbered.place <= $3 ORDER BY numbered.place
"""


@dataclass(frozen=True, slots=True)
class BadgeChannel:
    """A channel on which somebody has earned a badge, or is on the way to it.

    Attributes:
        at: when it was earned; None: not yet.
    """

    name: str
    title: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MyBadge:
    """A badge, and how somebody stands with it.

    Attributes:
        count: on how many channels it was earned; 1 for one that is earned across channels, 0: not earned.
        first_at: when it was earned first; None: not earned.
        channels: the latest ``CHANNELS_SHOWN_MAX``; empty for one that is earned across channels.
        progress: None where it is not a matter of a number that grows.
        channel: of the progress, where it counts for each channel.
        is_next: whether it is the nearest of its kind that is not held.
    """

    badge: Badge
    count: int
    first_at: datetime | None
    channels: Sequence[BadgeChannel]
    progress: Progress | None
    channel: BadgeChannel | None
    is_next: bool


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who holds a badge on a channel, as all may know them.

    Attributes:
        name: None: an anonymous supporter.
    """

    name: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class HeldHere:
    """A badge that somebody has earned on a channel.

    Attributes:
        count: of its holders, ``HOLDERS_COUNTED_MAX`` at most, which means so many or more.
        latest: the newest ``HOLDERS_SHOWN_MAX`` of those that were counted.
    """

    badge: Badge
    count: int
    latest: Sequence[Holder]


class BadgeLists:
    """Reads badges. Every method raises Refusal `unavailable`."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def all(self) -> list[Badge]:
        """Every badge, in its order."""
        with outages_refused():
            async with self._postgres.pool.acquire() as conn:
                return await read_badges(conn)

    async def mine(self, giver: Giver | None) -> list[MyBadge]:
        """Every badge, in its order, and how this giver stands with it; None: somebody at the very beginning.

        All that the giver has ever given is summed up for it.
        """
        with outages_refused():
            async with self._postgres.pool.acquire() as conn:
                badges = await read_badges(conn)
                if giver is None:
                    return _stands(badges, {}, Standing(Tally(), 0), {})
                rows = await conn.fetch(_MINE, *_ids_of([giver]), CHANNELS_SHOWN_MAX)
                tally = await read_tally(conn, giver)
                most = greatest_number((badge.criterion for badge in badges), CriterionKind.CHATS)
                chats = len(await read_chats(conn, giver, limit=most))
                channels = await conn.fetch(_CHANNELS, list(tally.credits))
        named = {row["id"]: BadgeChannel(row["name"], row["title"]) for row in channels}
        return _stands(badges, _by_badge(rows), Standing(tally, chats), named)

    async def on_channel(self, channel_id: UUID) -> list[HeldHere]:
        """The badges that somebody has earned on this channel, in their order, with their holders."""
        with outages_refused():
            async with self._postgres.pool.acquire() as conn:
                badges = [badge for badge in await read_badges(conn) if badge.criterion.kind.is_per_channel]
                ids = [badge.id for badge in badges]
                rows = await conn.fetch(_HOLDERS, channel_id, ids, HOLDERS_SHOWN_MAX, HOLDERS_COUNTED_MAX)
        held = _by_badge(rows)
        return [
            HeldHere(
                badge, held[badge.id][0]["count"], [Holder(row["name"], row["earned_at"]) for row in held[badge.id]]
            )
            for badge in badges
            if badge.id in held
        ]

    async def badges_of(self, givers: Collection[Giver], channel_id: UUID) -> dict[Giver, list[Badge]]:
        """What each of these givers holds on this channel or across channels, in its order; nothing: left out."""
        with outages_refused():
            async with self._postgres.pool.acquire() as conn:
                badges = await read_badges(conn)
                rows = await conn.fetch(_BESIDE_NAMES, *_ids_of(givers), channel_id)
        held: dict[Giver, set[UUID]] = {}
        for row in rows:
            held.setdefault(Giver.of(row["user_id"], row["session_id"]), set()).add(row["badge_id"])
        return {giver: [badge for badge in badges if badge.id in ids] for giver, ids in held.items()}


def _stands(
    badges: Sequence[Badge],
    held: Mapping[UUID, Sequence[asyncpg.Record]],
    standing: Standing,
    named: Mapping[UUID, BadgeChannel],
) -> list[MyBadge]:
    nexts = {badge.id for badge, _ in next_steps(badges, set(held), standing)}
    stands = []
    for badge in badges:
        mine, step = held.get(badge.id, ()), progress(badge.criterion, standing)
        stands.append(
            MyBadge(
                badge,
                count=mine[0]["count"] if mine else 0,
                first_at=mine[0]["first_at"] if mine else None,
                channels=[
                    BadgeChannel(row["name"], row["title"], row["earned_at"]) for row in mine if row["channel_id"]
                ],
                progress=step,
                channel=named.get(step.channel_id) if step and step.channel_id else None,
                is_next=badge.id in nexts,
            )
        )
    return stands


def _ids_of(givers: Collection[Giver]) -> tuple[list[UUID], list[UUID]]:
    return (
        [giver.user_id for giver in givers if giver.user_id is not None],
        [giver.session_id for giver in givers if giver.session_id is not None],
    )


def _by_badge(rows: Sequence[asyncpg.Record]) -> Mapping[UUID, list[asyncpg.Record]]:
    held: dict[UUID, list[asyncpg.Record]] = {}
    for row in rows:
        held.setdefault(row["badge_id"], []).append(row)
    return held
