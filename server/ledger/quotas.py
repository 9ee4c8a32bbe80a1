"""How many charged chats a visitor had today: counters by UTC day and subject, kept in the transaction of the charge.

A subject is a session or a digest of an address; both are counted, each has the limit of its own. The counters are no
money: they are given back when a provider failed, and forgotten after their day.
"""

from collections.abc import Collection, Mapping
from datetime import date
from uuid import UUID

from server.ledger.accounts import expect
from server.storage.postgres import Connection


def subject_of_session(session_id: UUID) -> str:
    """The counter of a visitor's session."""
    return f"s:{session_id}"


def subject_of_address(address_digest: str) -> str:
    """The counter of an address, which is known here by its digest only."""
    return f"a:{address_digest}"


async def lock_counts(conn: Connection, day: date, subjects: Collection[str]) -> dict[str, int]:
    """Lock the counters of these subjects until the end of the transaction, in their order; missing ones begin at 0.

    Returns:
        The charged chats of that day, for each of the subjects.
    """
    rows = await conn.fetch(
        """
        INSERT INTO visitor_quota (day, subject, chats)
        SELECT $1, subject, 0 FROM unnest($2::text[]) AS subject
        ON CONFLICT (day, subject) DO UPDATE SET chats = visitor_quota.chats
        RETURNING subject, chats
        """,
        day,
        sorted(set(subjects)),
    )
    return {row["subject"]: row["chats"] for row in rows}


async def add(conn: Connection, day: date, chats_by_subject: Mapping[str, int]) -> None:
    """Count these chats.

    Args:
        conn: in the transaction that has locked the counters.

    Raises:
        BrokenExpectation: a counter was not locked before: there is no row.
    """
    status = await conn.execute(
        """
        UPDATE visitor_quota SET chats = visitor_quota.chats + more.chats
        FROM unnest($2::text[], $3::int[]) AS more (subject, chats)
        WHERE visitor_quota.day = $1 AND visitor_quota.subject = more.subject
        """,
        day,
        list(chats_by_subject.keys()),
        list(chats_by_subject.values()),
    )
    expect(status == f"UPDATE {len(chats_by_subject)}", "every counter was locked before it is raised")


async def give_back(conn: Connection, day: date, chats_by_subject: Mapping[str, int]) -> None:
    """Take these chats off the count, never below 0; a counter that was forgotten meanwhile stays forgotten.

    Args:
        day: the day on which they were counted (`chat.quota_day`).
    """
    await conn.execute(
        """
        WITH locked AS (
            SELECT subject, greatest(quota.chats - less.chats, 0) AS chats
            FROM visitor_quota AS quota
            JOIN unnest($2::text[], $3::int[]) AS less (subject, chats) USING (subject)
            WHERE quota.day = $1
            ORDER BY subject COLLATE "C" FOR NO KEY UPDATE OF quota
        )
        UPDATE visitor_quota SET chats = locked.chats
        FROM locked WHERE visitor_quota.day = $1 AND visitor_quota.subject = locked.subject
        """,
        day,
        list(chats_by_subject.keys()),
        list(chats_by_subject.values()),
    )


async def forget_before(conn: Connection, day: date) -> int:
    """Remove the counters of earlier days, and with them the digests of addresses; returns how many."""
    status = await conn.execute("DELETE FROM visitor_quota WHERE day < $1", day)
    return int(status.removeprefix("DELETE "))
