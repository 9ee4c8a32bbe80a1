"""Who holds which badge: rows of a user, one list of a visitor's session.

A giver's holdings are read under a lock and written in the transaction that took it. It is what makes two gifts of one
giver at the same time count both, comes last in the program's order of locks, and is an advisory one: a sign-in locks
the user's row before a session, which badges could only lock after one.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from server.domain.badges import Holding
from server.domain.criteria import CriterionKind
from server.domain.givers import Giver
from server.storage.ids import new_id
from server.storage.postgres import Connection

HOLDINGS_LOCK: Final = 0x6261_6467
"""The first number of the advisory locks; the second is the giver's. Two givers with the same one wait for each other,
no more. The upgrade's lock is of another space, that of one number."""
Key = tuple[UUID, UUID | None]
"""A badge, and the channel on which it was earned; None: across channels."""

_LACKS: Final = """
    SELECT EXISTS (
        SELECT 1 FROM badge WHERE criteria ->> 'kind' = $3
           AND NOT EXISTS (SELECT 1 FROM user_badge WHERE user_id = $1 AND badge_id = badge.id)
           AND NOT EXISTS (SELECT 1 FROM session_badge, jsonb_array_elements(badges) AS kept
                            WHERE session_id = $2 AND kept ->> 'badgeId' = badge.id::text)
    )
"""


class _Kept(msgspec.Struct, rename="camel", frozen=True):
    """One element of `session_badge.badges`."""

    badge_id: UUID
    channel_id: UUID | None
    earned_at: datetime
    transaction_id: UUID | None


_LIST = msgspec.json.Decoder(list[_Kept])


async def lock_holdings(conn: Connection, giver: Giver) -> dict[Key, Holding]:
    """Lock what this giver holds until the end of the transaction, and read it.

    Args:
        conn: in a transaction that has locked the visitor's session, if it is one, FOR SHARE or stronger.
    """
    giver_id = giver.user_id or giver.session_id
    await conn.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", HOLDINGS_LOCK, str(giver_id))
    return await read_holdings(conn, giver)


async def read_holdings(conn: Connection, giver: Giver) -> dict[Key, Holding]:
    """What this giver holds, without a lock."""
    if giver.user_id is not None:
        rows = await conn.fetch(
            "SELECT badge_id, channel_id, earned_at, transaction_id FROM user_badge WHERE user_id = $1", giver.user_id
        )
        return _by_key(Holding(**dict(row)) for row in rows)
    badges = await conn.fetchval("SELECT badges FROM session_badge WHERE session_id = $1", giver.session_id)
    return _by_key(_read_list(badges or "[]"))


async def lacks(conn: Connection, giver: Giver, kind: CriterionKind) -> bool:
    """Whether there is a badge of this kind that the giver does not hold on any channel, without a lock."""
    return bool(await conn.fetchval(_LACKS, giver.user_id, giver.session_id, kind))


async def write_holdings(
    conn: Connection, giver: Giver, before: dict[Key, Holding], after: Collection[Holding]
) -> None:
    """Bring what the giver holds to this.

    Args:
        conn: in the transaction that has locked the giver's holdings.
        before: as `lock_holdings` has read them.
    """
    wanted = _by_key(after)
    if wanted == before:
        return
    if giver.user_id is None:
        await conn.execute(
            """
            INSERT INTO session_badge (id, session_id, badges) VALUES ($1, $2, $3)
            ON CONFLICT (session_id) DO UPDATE SET badges = excluded.badges
            """,
            new_id(),
            giver.session_id,
            _write_list(after),
        )
        return
    gone = before.keys() - wanted.keys()
    if gone:
        await conn.executemany(
            "DELETE FROM user_badge WHERE user_id = $1 AND badge_id = $2 AND channel_id IS NOT DISTINCT FROM $3",
            [(giver.user_id, *key) for key in gone],
        )
    await conn.executemany(
        """
        INSERT INTO user_badge (id, user_id, badge_id, channel_id, earned_at, transaction_id)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT ON CONSTRAINT uq_user_badge_once DO UPDATE
        SET earned_at = excluded.earned_at, transaction_id = excluded.transaction_id
        """,
        [
            (new_id(), giver.user_id, *key, holding.earned_at, holding.transaction_id)
            for key, holding in wanted.items()
            if before.get(key) != holding
        ],
    )


def _by_key(holdings: Iterable[Holding]) -> dict[Key, Holding]:
    return {holding.key: holding for holding in holdings}


def _read_list(badges: str) -> list[Holding]:
    return [
        Holding(kept.badge_id, kept.channel_id, kept.earned_at, kept.transaction_id) for kept in _LIST.decode(badges)
    ]


def _write_list(holdings: Iterable[Holding]) -> str:
    in_order = sorted(holdings, key=lambda holding: holding.earned_at)
    kept = [_Kept(one.badge_id, one.channel_id, one.earned_at.astimezone(UTC), one.transaction_id) for one in in_order]
    return msgspec.json.encode(kept).decode()
