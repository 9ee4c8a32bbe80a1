"""The counters of the visitor quota: locked, raised, given back, forgotten."""

import asyncio
from datetime import date, timedelta

import pytest

from server.ledger import quotas
from server.ledger.accounts import BrokenExpectation
from server.storage.ids import new_id
from server.storage.postgres import Connection, Postgres

DAY = date(2026, 11, 22)
SUBJECTS = ["s:one", "a:two"]


async def counts(postgres: Postgres, day: date = DAY) -> dict[str, int]:
    rows = await postgres.pool.fetch("SELECT subject, chats FROM visitor_quota WHERE day = $1", day)
    return {row["subject"]: row["chats"] for row in rows}


async def count(postgres: Postgres, more: dict[str, int]) -> None:
    async def work(conn: Connection) -> None:
        await quotas.lock_counts(conn, DAY, more)
        await quotas.add(conn, DAY, more)

    await postgres.transact(work)


def test_a_subject_says_what_it_is() -> None:
    session_id = new_id()
    assert quotas.subject_of_session(session_id) == f"s:{session_id}"
    assert quotas.subject_of_address("d1935") == "a:d1935"


async def test_counters_begin_at_nothing_and_add_up(postgres: Postgres) -> None:
    assert await postgres.transact(lambda conn: quotas.lock_counts(conn, DAY, SUBJECTS)) == {"s:one": 0, "a:two": 0}
    await count(postgres, {"s:one": 2, "a:two": 1})
    await count(postgres, {"s:one": 1})
    locked = await postgres.transact(lambda conn: quotas.lock_counts(conn, DAY, [*SUBJECTS, "s:one"]))
    assert locked == {"s:one": 3, "a:two": 1}


async def test_each_day_counts_anew(postgres: Postgres) -> None:
    await count(postgres, {"s:one": 3})
    tomorrow = DAY + timedelta(days=1)
    assert await postgres.transact(lambda conn: quotas.lock_counts(conn, tomorrow, SUBJECTS)) == dict.fromkeys(
        SUBJECTS, 0
    )


async def test_a_counter_that_was_not_locked_is_not_raised(postgres: Postgres) -> None:
    with pytest.raises(BrokenExpectation):
        await postgres.transact(lambda conn: quotas.add(conn, DAY, {"s:one": 1}))


async def test_what_is_given_back_can_be_used_again_but_never_more(postgres: Postgres) -> None:
    await count(postgres, {"s:one": 2, "a:two": 1})
    await postgres.transact(lambda conn: quotas.give_back(conn, DAY, {"s:one": 1, "a:two": 5, "s:gone": 1}))
    assert await counts(postgres) == {"s:one": 1, "a:two": 0}


async def test_earlier_days_are_forgotten(postgres: Postgres) -> None:
    await count(postgres, {"s:one": 2, "a:two": 1})
    assert await postgres.transact(lambda conn: quotas.forget_before(conn, DAY)) == 0
    assert await postgres.transact(lambda conn: quotas.forget_before(conn, DAY + timedelta(days=1))) == 2
    assert await counts(postgres) == {}


async def test_a_limit_holds_however_many_transactions_race_for_it(postgres: Postgres) -> None:
    async def start(conn: Connection) -> bool:
        locked = await quotas.lock_counts(conn, DAY, SUBJECTS)
        if any(chats >= 3 for chats in locked.values()):
            return False
        await quotas.add(conn, DAY, dict.fromkeys(SUBJECTS, 1))
        return True

    admitted = await asyncio.gather(*(postgres.transact(start) for _ in range(30)))
    assert sum(admitted) == 3
    assert await counts(postgres) == dict.fromkeys(SUBJECTS, 3)


async def test_overlapping_subjects_in_any_order_do_not_deadlock(postgres: Postgres) -> None:
    subjects = [f"a:{number}" for number in range(6)]

    async def work(conn: Connection, turn: int) -> None:
        some = subjects[turn % 6 :] + subjects[: turn % 3]
        if turn % 4 == 3:
            await quotas.give_back(conn, DAY, dict.fromkeys(reversed(some), 1))
            return
        await quotas.lock_counts(conn, DAY, some[::-1])
        await quotas.add(conn, DAY, dict.fromkeys(some, 1))

    async def one(turn: int) -> None:
        async with postgres.pool.acquire() as conn, conn.transaction():  # a deadlock would be raised, not repeated
            await work(conn, turn)

    await asyncio.gather(*(one(turn) for turn in range(120)))
