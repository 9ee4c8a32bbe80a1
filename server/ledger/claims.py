"""The claim: at sign-in, what a visitor's session owns becomes the user's, in one transaction, once.

The session is locked FOR UPDATE; whoever inserts a row that names it has locked it FOR SHARE and writes its user. So a
row is either there before the claim, which then moves it, or knows the user already: none is left behind.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID

from server.domain.errors import Code, Refusal
from server.domain.givers import Giver
from server.domain.transactions import TransactionType
from server.ledger.badge_holdings import lock_holdings, read_holdings, write_holdings
from server.ledger.badges import recompute
from server.ledger.unclaimed import PAID
from server.storage.postgres import Connection


class ClaimOutcome(Enum):
    """Whose the session was."""

    CLAIMED = auto()
    ALREADY_YOURS = auto()
    ANOTHERS = auto()


@dataclass(frozen=True, slots=True)
class Moved:
    """What a claim has moved, for the page that says it; all is 0 unless the outcome is CLAIMED.

    Attributes:
        contributions: that were paid; those that never were move along untold.
        transactions: reversals included.
        amounts_cents: what the transactions sum up to, by type, reversals included; types without any are left out.
        chats: with a message; those that were only opened, and those that were deleted, move along untold.
        badges: that the user holds now and did not before.
    """

    outcome: ClaimOutcome
    contributions: int = 0
    transactions: int = 0
    amounts_cents: dict[TransactionType, int] = field(default_factory=dict)
    credits: int = 0
    chats: int = 0
    badges: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.contributions or self.transactions or self.chats or self.badges)


async def claim(conn: Connection, session_id: UUID, user_id: UUID) -> Moved:
    """Give all that a session owns to the user who signs in with it.

    Doing it again moves nothing. A session is claimed once: another user's stays theirs, and the caller begins a new
    one.

    Args:
        conn: in a transaction of the caller's, which has locked nothing but perhaps this session.

    Raises:
        Refusal: ``not_found``, there is no such session.
    """
    session = await conn.fetchrow("SELECT user_id FROM session WHERE id = $1 FOR UPDATE", session_id)
    if session is None:
        raise Refusal(Code.NOT_FOUND, "There is no such session.")
    if session["user_id"] is not None:
        return Moved(ClaimOutcome.ALREADY_YOURS if session["user_id"] == user_id else ClaimOutcome.ANOTHERS)
    await conn.execute("UPDATE session SET user_id = $2 WHERE id = $1", session_id, user_id)
    contributions = await _move_contributions(conn, session_id, user_id)
    amounts_cents, credits, transactions = await _move_transactions(conn, session_id, user_id)
    chats = await _move_chats(conn, session_id, user_id)
    badges = await _move_badges(conn, session_id, user_id)
    return Moved(ClaimOutcome.CLAIMED, contributions, transactions, amounts_cents, credits, chats, badges)


async def _move_contributions(conn: Connection, session_id: UUID, user_id: UUID) -> int:
    rows = await conn.fetch(
        "UPDATE contribution SET user_id = $2 WHERE session_id = $1 AND user_id IS NULL RETURNING status",
        session_id,
        user_id,
    )
    return sum(row["status"] in PAID for row in rows)


async def _move_transactions(
    conn: Connection, session_id: UUID, user_id: UUID
) -> tuple[dict[TransactionType, int], int, int]:
    rows = await conn.fetch(
        """
        WITH moved AS (
            UPDATE "transaction" SET user_id = $2 WHERE session_id = $1 AND user_id IS NULL
            RETURNING type, amount_cents, credits
        )
        SELECT type, sum(amount_cents)::bigint AS amount_cents, sum(credits)::bigint AS credits, count(*) AS count
          FROM moved GROUP BY type
        """,
        session_id,
        user_id,
    )
    amounts_cents = {TransactionType(row["type"]): row["amount_cents"] for row in rows}
    return amounts_cents, sum(row["credits"] for row in rows), sum(row["count"] for row in rows)


async def _move_chats(conn: Connection, session_id: UUID, user_id: UUID) -> int:
    """The chats that the session opened, and its place in those of others. They are locked in the order of their ids,
    as everywhere."""
    await conn.execute(
        """
        SELECT 1 FROM chat
         WHERE id IN (SELECT id FROM chat WHERE session_id = $1 AND user_id IS NULL
                      UNION SELECT chat_id FROM chat_member WHERE session_id = $1 AND user_id IS NULL)
         ORDER BY id FOR NO KEY UPDATE
        """,
        session_id,
    )
    rows = await conn.fetch(
        "UPDATE chat SET user_id = $2 WHERE session_id = $1 AND user_id IS NULL RETURNING last_message_at, deleted_at",
        session_id,
        user_id,
    )
    await conn.execute(
        "UPDATE chat_member SET user_id = $2 WHERE session_id = $1 AND user_id IS NULL", session_id, user_id
    )
    return sum(row["last_message_at"] is not None and row["deleted_at"] is None for row in rows)


async def _move_badges(conn: Connection, session_id: UUID, user_id: UUID) -> int:
    """Put the badges of both together, each with its earlier date, then let the rules run over the whole history."""
    user, visitor = Giver(user_id=user_id), Giver(session_id=session_id)
    before = await lock_holdings(conn, user)
    together = dict(before)
    for key, holding in (await read_holdings(conn, visitor)).items():
        together[key] = min(together.get(key, holding), holding, key=lambda one: one.earned_at)
    await write_holdings(conn, user, before, list(together.values()))
    await conn.execute("DELETE FROM session_badge WHERE session_id = $1", session_id)
    recomputed = await recompute(conn, user)
    return len(recomputed.held.keys() - before.keys())
