"""Running totals and contributors are what their transactions give, whatever happens at the same time."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import cycle
from uuid import UUID

import pytest

from server.domain.transactions import TransactionType
from server.ledger.audit import check
from server.ledger.claims import claim
from server.ledger.reversals import reverse
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.ledger.books import Books

ACTIVATION, PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE


async def totals_of(books: Books, channel_id: UUID) -> dict[str, tuple[int, int, int]]:
    rows = await books.postgres.pool.fetch(
        "SELECT type, sum(transactions)::bigint, sum(amount_cents)::bigint, sum(credits)::bigint"
        " FROM transaction_total WHERE channel_id = $1 GROUP BY type",
        channel_id,
    )
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


async def contributors_of(books: Books, channel_id: UUID) -> dict[UUID, tuple[int, ...]]:
    rows = await books.postgres.pool.fetch("SELECT * FROM contributor WHERE channel_id = $1", channel_id)
    sums = ("activations", "activation_cents", "purchases", "purchase_cents", "credits")
    return {row["giver_id"]: tuple(row[name] for name in sums) for row in rows}


async def give(books: Books, channel_id: UUID, type_: TransactionType, cents: int, session_id: UUID) -> None:
    new = await books.contribution(channel_id, type_, cents, session_id=session_id)
    assert await books.settle(new.id)


async def test_a_split_contribution_counts_in_both_types(books: Books) -> None:
    channel_id, session_id = await books.channel(is_active=False), await books.session()
    await give(books, channel_id, ACTIVATION, 1_500, session_id)
    assert await totals_of(books, channel_id) == {"ACTIVATION": (1, 1_000, 0), "CREDIT_PURCHASE": (1, 500, 50)}
    assert await contributors_of(books, channel_id) == {session_id: (1, 1_000, 1, 500, 50)}
    await books.assert_clean()


async def test_a_reversal_counts_as_a_row_and_takes_its_sums_back(books: Books) -> None:
    channel_id, session_id = await books.channel(), await books.session()
    await give(books, channel_id, PURCHASE, 500, session_id)
    bought = await books.postgres.pool.fetchval("SELECT id FROM \"transaction\" WHERE type = 'CREDIT_PURCHASE'")
    await books.postgres.transact(
        lambda conn: reverse(conn, bought, reference="refund", amount_cents=200, reason="a test")
    )
    assert (await totals_of(books, channel_id))["CREDIT_PURCHASE"] == (2, 300, 30)
    assert (await contributors_of(books, channel_id))[session_id] == (0, 0, 2, 300, 30)
    await books.assert_clean()


async def test_days_are_utc_days(books: Books) -> None:
    channel_id, session_id = await books.channel(), await books.session()
    await give(books, channel_id, PURCHASE, 500, session_id)
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    books.are_broken = True  # these two belong to nothing that was paid
    for at in (midnight - timedelta(microseconds=1), midnight):
        async with books.postgres.pool.acquire() as conn, conn.transaction():
            await conn.execute("SET LOCAL TimeZone = 'Pacific/Auckland'")
            await conn.execute(
                'INSERT INTO "transaction" (id, channel_id, session_id, amount_cents, type, credits, created_at,'
                " credits_per_dollar, contribution_id, provider, provider_reference)"
                " SELECT $1, channel_id, session_id, 100, type, 10, $2, 10, id, provider, $3 FROM contribution"
                " WHERE session_id = $4",
                new_id(),
                at,
                str(at),
                session_id,
            )
    days = await books.postgres.pool.fetch("SELECT day::text FROM transaction_total ORDER BY day LIMIT 2")
    assert [row["day"] for row in days] == ["2026-02-28", "2026-03-01"]


async def test_a_claim_moves_the_session_s_sums_to_the_user(books: Books) -> None:
    channel_id, other_id, user_id = await books.channel(), await books.channel(), await books.user()
    old, new = await books.session(), await books.session(user_id)
    for target, session_id in ((channel_id, old), (channel_id, new), (other_id, old)):
        await give(books, target, PURCHASE, 500, session_id)
    await books.postgres.transact(lambda conn: claim(conn, old, user_id))
    await books.postgres.transact(lambda conn: claim(conn, old, user_id))
    found = await contributors_of(books, channel_id)
    assert old not in found
    assert found[user_id] == (0, 0, 2, 1_000, 100)
    assert (await contributors_of(books, other_id))[user_id] == (0, 0, 1, 500, 50)
    await books.assert_clean()


async def test_settlements_reversals_and_claims_at_the_same_time_lose_nothing(books: Books) -> None:
    channels = [await books.channel() for _ in range(2)]
    user_id = await books.user()
    sessions = [await books.session() for _ in range(4)]
    pending = [
        await books.contribution(channel_id, PURCHASE, 100 * number, session_id=session_id)
        for number, (channel_id, session_id) in enumerate(zip(cycle(channels), sessions * 6, strict=False), start=1)
    ]
    early, late = pending[::2], pending[1::2]
    for new in early:
        await books.settle(new.id)
    bought = await books.postgres.pool.fetch("SELECT id FROM \"transaction\" WHERE type = 'CREDIT_PURCHASE'")

    async def take_back(transaction_id: UUID) -> None:
        await books.postgres.transact(
            lambda conn: reverse(conn, transaction_id, reference="refund", amount_cents=50, reason="a test")
        )

    async def sign_in(session_id: UUID) -> None:
        await books.postgres.transact(lambda conn: claim(conn, session_id, user_id))

    await asyncio.gather(
        *(books.settle(new.id) for new in late),
        *(take_back(row["id"]) for row in bought),
        *(sign_in(session_id) for session_id in sessions[:3]),
    )
    await books.assert_clean()
    givers = {giver for channel_id in channels for giver in await contributors_of(books, channel_id)}
    assert user_id in givers
    assert givers.isdisjoint(sessions[:3])


@pytest.mark.parametrize(
    ("statement", "subject"),
    [
        ("UPDATE transaction_total SET credits = credits + 1", "transaction_total"),
        ("DELETE FROM transaction_total", "transaction_total"),
        ("UPDATE contributor SET purchase_cents = purchase_cents - 1", "contributor"),
        ("DELETE FROM contributor", "contributor"),
    ],
)
async def test_sums_that_are_off_are_found(books: Books, postgres: Postgres, statement: str, subject: str) -> None:
    await books.channel()
    books.are_broken = True
    await postgres.pool.execute(statement)
    findings = (await check(postgres)).findings
    assert [(one.invariant, one.subject.split()[0]) for one in findings] == [("S9", subject)]
