"""Badges are earned in the transaction of what earns them, and taken back in the transaction of what reverses it.

Locks, after all others of the program: sessions, contributions, channels, chats, quota rows, then what the giver holds
(`badge_holdings`). Callers have locked the session of a visitor FOR SHARE or stronger, as for every row that names it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from server.domain.badges import Badge, Holding, earned_by, earned_by_chats, evaluate
from server.domain.criteria import CriterionKind, greatest_number
from server.domain.givers import Giver
from server.ledger.badge_facts import read_badges, read_chats, read_history, read_settled
from server.ledger.badge_holdings import Key, lacks, lock_holdings, write_holdings
from server.storage.postgres import Connection

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What deriving anew has given.

    Attributes:
        held: what the giver holds now.
        lost: what was taken back.
    """

    held: dict[Key, Holding]
    lost: tuple[Holding, ...]


async def award_for_settlement(conn: Connection, contribution_id: UUID) -> None:
    """Give what a contribution has earned that settles in this transaction.

    Args:
        conn: in the transaction that settles it: the session and the channel are locked, the transactions written.
    """
    owner = await conn.fetchrow("SELECT user_id, session_id FROM contribution WHERE id = $1", contribution_id)
    assert owner is not None
    giver = Giver.of(owner["user_id"], owner["session_id"])
    if await _is_gone(conn, giver):
        return
    badges = await read_badges(conn)
    held = await lock_holdings(conn, giver)
    tally, gifts = await read_settled(
        conn, giver, contribution_id, places=_number(badges, CriterionKind.EARLY_SUPPORTER)
    )
    await _give(conn, giver, held, earned_by(badges, tally, gifts, set(held)))


async def award_for_chat(conn: Connection, chat_id: UUID) -> None:
    """Give what the chats of a chat's owner have earned; this one's credit is spent for good.

    Args:
        conn: in the transaction that saves the chat's first answer: the session and the chat are locked.
    """
    owner = await conn.fetchrow("SELECT user_id, session_id FROM chat WHERE id = $1", chat_id)
    assert owner is not None
    giver = Giver.of(owner["user_id"], owner["session_id"])
    if await _is_gone(conn, giver) or not await lacks(conn, giver, CriterionKind.CHATS):
        return
    badges = await read_badges(conn)
    held = await lock_holdings(conn, giver)
    chats = await read_chats(conn, giver, limit=_number(badges, CriterionKind.CHATS))
    await _give(conn, giver, held, earned_by_chats(badges, chats, set(held)))


def _number(badges: Iterable[Badge], kind: CriterionKind) -> int:
    return greatest_number((badge.criterion for badge in badges), kind)


async def _give(conn: Connection, giver: Giver, held: dict[Key, Holding], earned: Sequence[Holding]) -> None:
    if earned:
        await write_holdings(conn, giver, held, [*held.values(), *earned])


async def recompute(conn: Connection, giver: Giver) -> Recomputed:
    """Derive what a giver holds from their whole history, without what was reversed, and make it so.

    What still holds keeps the earliest date at which the history without the reversed gifts earns it. A badge whose
    criteria cannot be read stays as it is. Each one that is taken back is told in the log. A user who was deleted holds
    nothing, whatever their history.

    Args:
        conn: in the transaction that reversed or claimed something: the sessions, channels and chats it names are
            locked.
    """
    if await _is_gone(conn, giver):
        return Recomputed({}, ())
    badges = await read_badges(conn)
    before = await lock_holdings(conn, giver)
    gifts = await read_history(conn, giver, places=_number(badges, CriterionKind.EARLY_SUPPORTER))
    chats = await read_chats(conn, giver, limit=_number(badges, CriterionKind.CHATS))
    readable = {badge.id: badge for badge in badges}
    after = {holding.key: holding for holding in evaluate(badges, gifts, chats)}
    standing = {gift.transaction_id for gift in gifts}
    for key, holding in before.items():
        if holding.badge_id not in readable:
            still = holding.transaction_id if holding.transaction_id in standing else None
            after[key] = replace(holding, transaction_id=still)
    await write_holdings(conn, giver, before, list(after.values()))
    lost = tuple(before[key] for key in before if key not in after)
    for holding in lost:
        badge = readable[holding.badge_id]
        log.info(
            "badge_taken_back",
            badge=badge.name,
            giver=giver.kind,
            channel=str(holding.channel_id) if holding.channel_id else None,
            why=f"what stands of the history does not meet it any more: {badge.criterion.in_words()}",
        )
    return Recomputed(after, lost)


async def take_all(conn: Connection, user_id: UUID) -> None:
    """Take everything that a user holds, who is being deleted.

    Args:
        conn: in the transaction that deletes the user, which has locked all of their sessions: what is being earned
            right now is earned before, or sees that the user is gone.
    """
    giver = Giver(user_id=user_id)
    await write_holdings(conn, giver, await lock_holdings(conn, giver), [])


async def _is_gone(conn: Connection, giver: Giver) -> bool:
    """Whether it is a user who was deleted. The sessions that the caller has locked keep the answer true."""
    if giver.user_id is None:
        return False
    return bool(await conn.fetchval('SELECT deleted_at IS NOT NULL FROM "user" WHERE id = $1', giver.user_id))
