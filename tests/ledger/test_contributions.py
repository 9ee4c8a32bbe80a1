"""A contribution settles once: funding up to the goal, credits for the rest, activation exactly once."""

import asyncio
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

from server.domain.errors import Code, Refusal
from server.domain.money import Share
from server.domain.transactions import TransactionType
from server.ledger.accounts import Balance
from server.ledger.contributions import Settlement, begin, settle
from server.storage.ids import new_id
from tests.ledger.books import Books
from tests.ledger.test_charging import wait_for_a_lock

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE


async def funding(books: Books, channel_id: UUID) -> tuple[str, int, int]:
    row = await books.postgres.pool.fetchrow(
        "SELECT status, activation_funding_cents, credit_balance FROM channel WHERE id = $1", channel_id
    )
    assert row is not None
    return tuple(row)


async def transactions(books: Books, contribution_id: UUID) -> list[tuple[str, int, int]]:
    rows = await books.postgres.pool.fetch(
        'SELECT type, amount_cents, credits FROM "transaction" WHERE contribution_id = $1 ORDER BY created_at, id',
        contribution_id,
    )
    return [tuple(row) for row in rows]


async def test_an_activation_within_the_goal_moves_only_the_funding(books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    settlement = await books.give(channel_id, ACTIVATION, 500)
    assert settlement.shares == (Share(ACTIVATION, 500, 0),)
    assert (settlement.balance, settlement.activated) == (None, False)
    assert await funding(books, channel_id) == ("PENDING", 500, 0)
    await books.assert_clean()


async def test_reaching_the_goal_puts_the_channel_on_air(books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    await books.give(channel_id, ACTIVATION, 999)
    assert (await books.give(channel_id, ACTIVATION, 1)).activated
    assert await funding(books, channel_id) == ("ACTIVE", 1_000, 0)
    await books.assert_clean()


async def test_what_is_over_the_goal_is_a_second_transaction_of_the_same_contribution(books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    await books.give(channel_id, ACTIVATION, 600)
    new = await books.contribution(channel_id, ACTIVATION, 1_000)
    settlement = await books.settle(new.id)
    assert settlement is not None
    assert settlement.activated
    assert settlement.balance == Balance(channel_id, 60, 1)
    assert await transactions(books, new.id) == [("ACTIVATION", 400, 0), ("CREDIT_PURCHASE", 600, 60)]
    assert await books.entries(channel_id) == [(1, "PURCHASE", 60, 60)]
    await books.assert_clean()


async def test_credits_are_bought_at_the_rate_that_was_quoted(books: Books) -> None:
    channel_id = await books.channel()
    assert (await books.give(channel_id, CREDIT_PURCHASE, 500)).balance == Balance(channel_id, 50, 1)
    assert await funding(books, channel_id) == ("ACTIVE", 1_000, 50)
    await books.assert_clean()


async def test_an_activation_that_settles_too_late_becomes_credits(books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    late = await books.contribution(channel_id, ACTIVATION, 500)
    await books.give(channel_id, ACTIVATION, 1_000)
    settlement = await books.settle(late.id)
    assert settlement is not None
    assert settlement.shares == (Share(CREDIT_PURCHASE, 500, 50),)
    await books.assert_clean()


async def test_settling_twice_changes_nothing(books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    new = await books.contribution(channel_id, ACTIVATION, 1_500)
    assert await books.settle(new.id) is not None
    before = await funding(books, channel_id)
    assert await books.settle(new.id) is None
    assert await funding(books, channel_id) == before
    await books.assert_clean()


async def test_one_contribution_settled_by_many_at_once_counts_once(books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    new = await books.contribution(channel_id, ACTIVATION, 1_500)
    outcomes = await asyncio.gather(*(books.settle(new.id) for _ in range(30)))
    assert sum(outcome is not None for outcome in outcomes) == 1
    assert await funding(books, channel_id) == ("ACTIVE", 1_000, 50)
    await books.assert_clean()


async def test_many_contributions_at_once_activate_once_and_never_pass_the_goal(books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    new = [await books.contribution(channel_id, ACTIVATION, 130) for _ in range(30)]
    outcomes = await asyncio.gather(*(books.settle(one.id) for one in new))
    assert sum(outcome.activated for outcome in outcomes if outcome) == 1
    status, funded_cents, credits_ = await funding(books, channel_id)
    assert (status, funded_cents) == ("ACTIVE", 1_000)
    # 7 fit whole, the eighth by 90 cents and buys 4 credits; 22 buy 13 each.
    assert credits_ == 4 + 22 * 13
    await books.assert_clean()


@pytest.mark.parametrize("status", ["PENDING", "FAILED", "EXPIRED"])
async def test_a_payment_counts_whatever_was_said_before(books: Books, status: str) -> None:
    channel_id = await books.channel()
    new = await books.contribution(channel_id, CREDIT_PURCHASE, 100)
    await books.postgres.pool.execute("UPDATE contribution SET status = $2 WHERE id = $1", new.id, status)
    assert await books.settle(new.id) is not None
    await books.assert_clean()


async def test_a_reversed_contribution_does_not_settle_again(books: Books) -> None:
    channel_id = await books.channel()
    new = await books.contribution(channel_id, CREDIT_PURCHASE, 100)
    await books.settle(new.id)
    books.are_broken = True  # nothing was reversed
    await books.postgres.pool.execute("UPDATE contribution SET status = 'REVERSED' WHERE id = $1", new.id)
    assert await books.settle(new.id) is None


async def test_an_unknown_contribution_is_not_found(books: Books) -> None:
    with pytest.raises(Refusal) as refused:
        await books.settle(new_id())
    assert refused.value.code is Code.NOT_FOUND


async def test_beginning_again_with_the_same_content_is_the_same_and_with_other_content_a_conflict(
    books: Books,
) -> None:
    channel_id = await books.channel()
    new = await books.contribution(channel_id, CREDIT_PURCHASE, 100)
    await books.postgres.transact(lambda conn: begin(conn, new))
    assert await books.postgres.pool.fetchval("SELECT count(*) FROM contribution WHERE id = $1", new.id) == 1
    for other in (replace(new, amount_cents=200), replace(new, type=ACTIVATION), replace(new, display_name="Ada")):
        with pytest.raises(Refusal) as refused:
            await books.postgres.transact(lambda conn, other=other: begin(conn, other))  # type: ignore[misc]
        assert refused.value.code is Code.CONFLICT


async def test_what_settles_after_a_sign_in_reaches_the_user(books: Books) -> None:
    channel_id, session_id, user_id = await books.channel(), await books.session(), await books.user()
    new = await books.contribution(channel_id, CREDIT_PURCHASE, 100, session_id=session_id)
    await books.postgres.pool.execute("UPDATE session SET user_id = $2 WHERE id = $1", session_id, user_id)
    await books.settle(new.id)
    owners = await books.postgres.pool.fetch(
        'SELECT user_id, session_id FROM "transaction" WHERE contribution_id = $1'
        " UNION ALL SELECT user_id, session_id FROM contribution WHERE id = $1",
        new.id,
    )
    assert [tuple(row) for row in owners] == [(user_id, session_id)] * 2
    await books.assert_clean()


async def test_a_settlement_waits_for_a_sign_in_and_leaves_no_row_without_its_user(books: Books) -> None:
    channel_id, session_id, user_id = await books.channel(), await books.session(), await books.user()
    new = await books.contribution(channel_id, CREDIT_PURCHASE, 100, session_id=session_id)

    async def settle_once() -> Settlement | None:  # a deadlock is raised here, not repeated
        async with books.postgres.pool.acquire() as conn, conn.transaction():
            return await settle(conn, new.id)

    async with books.postgres.pool.acquire() as conn:
        claim = conn.transaction()
        await claim.start()
        await conn.execute("SELECT user_id FROM session WHERE id = $1 FOR UPDATE", session_id)
        settling = asyncio.create_task(settle_once())
        await wait_for_a_lock(books.postgres)
        await conn.execute("UPDATE session SET user_id = $2 WHERE id = $1", session_id, user_id)
        for table in ("contribution", '"transaction"'):
            await conn.execute(
                f"UPDATE {table} SET user_id = $2 WHERE session_id = $1 AND user_id IS NULL", session_id, user_id
            )
        await claim.commit()
    assert await settling is not None
    await books.assert_clean()


async def test_transactions_of_a_channel_are_written_in_the_order_of_their_times(books: Books) -> None:
    channel_id = await books.channel()
    new = [await books.contribution(channel_id, CREDIT_PURCHASE, 100) for _ in range(40)]
    await asyncio.gather(*(books.settle(one.id) for one in new))
    rows = await books.postgres.pool.fetch(
        'SELECT channel_seq FROM credit_entry JOIN "transaction" ON "transaction".id = source_id'
        ' WHERE credit_entry.channel_id = $1 ORDER BY "transaction".created_at',
        channel_id,
    )
    assert [row["channel_seq"] for row in rows] == list(range(1, 41))


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE "transaction" SET amount_cents = 1',
        'UPDATE "transaction" SET created_at = now()',
        'DELETE FROM "transaction"',
        'TRUNCATE "transaction" CASCADE',
        "UPDATE credit_entry SET delta = 1",
        "DELETE FROM credit_entry",
        "TRUNCATE credit_entry",
    ],
)
async def test_rows_that_record_money_are_never_changed(books: Books, statement: str) -> None:
    channel_id = await books.channel()
    await books.give(channel_id, CREDIT_PURCHASE, 100)
    with pytest.raises(asyncpg.RestrictViolationError):
        await books.postgres.pool.execute(statement)
    await books.assert_clean()


async def test_a_transaction_is_claimed_once(books: Books) -> None:
    channel_id, user_id, other = await books.channel(), await books.user(), await books.user()
    settlement = await books.give(channel_id, CREDIT_PURCHASE, 100)
    claim = 'UPDATE "transaction" SET user_id = $2 WHERE contribution_id = $1'
    books.are_broken = True  # the session stays nobody's
    await books.postgres.pool.execute(claim, settlement.contribution_id, user_id)
    for somebody in (other, None):
        with pytest.raises(asyncpg.RestrictViolationError):
            await books.postgres.pool.execute(claim, settlement.contribution_id, somebody)
