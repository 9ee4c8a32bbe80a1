"""Adjustments by hand: once for each id, never below zero, always with a reason."""

import asyncio
from dataclasses import replace

import pytest

from server.domain.errors import Code, Refusal
from server.ledger.accounts import Balance
from server.ledger.adjustments import MAX_ADJUSTMENT_CREDITS, Adjustment, adjust
from server.ledger.credits import Credits
from server.storage.ids import new_id
from server.storage.redis import Redis, balance_key
from tests.ledger.books import Books


async def refusal_of(books: Books, channel_credits: Credits, adjustment: Adjustment) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await adjust(books.postgres, channel_credits, adjustment)
    await books.assert_clean()
    return refused.value


async def test_an_adjustment_is_an_entry_with_its_reason_and_is_published(
    books: Books, redis: Redis, channel_credits: Credits
) -> None:
    channel_id = await books.channel(credits_=5)
    adjustment = Adjustment(new_id(), channel_id, -2, "bought by mistake")
    assert await adjust(books.postgres, channel_credits, adjustment) == Balance(channel_id, 3, 2)
    row = await books.postgres.pool.fetchrow("SELECT * FROM credit_entry WHERE source_id = $1", adjustment.id)
    assert row is not None
    assert (row["kind"], row["delta"], row["balance_after"], row["reason"]) == ("ADJUST", -2, 3, "bought by mistake")
    assert await redis.run(lambda client: client.hget(balance_key(channel_id), "b")) == b"3"
    await books.assert_clean()


async def test_the_same_id_adjusts_once_and_gets_the_same_answer(books: Books, channel_credits: Credits) -> None:
    channel_id = await books.channel(credits_=5)
    adjustment = Adjustment(new_id(), channel_id, 10, "a present")
    first = await adjust(books.postgres, channel_credits, adjustment)
    await books.add_credits(channel_id, 1)
    assert await adjust(books.postgres, channel_credits, adjustment) == first
    assert (await books.balance(channel_id)).balance == 16


async def test_the_same_id_at_once_adjusts_once(books: Books, channel_credits: Credits) -> None:
    channel_id = await books.channel()
    adjustment = Adjustment(new_id(), channel_id, 10, "a present")
    balances = await asyncio.gather(*(adjust(books.postgres, channel_credits, adjustment) for _ in range(20)))
    assert set(balances) == {Balance(channel_id, 10, 1)}
    await books.assert_clean()


async def test_the_same_id_for_something_else_is_a_conflict(books: Books, channel_credits: Credits) -> None:
    channel_id, other = await books.channel(), await books.channel()
    adjustment = Adjustment(new_id(), channel_id, 10, "a present")
    await adjust(books.postgres, channel_credits, adjustment)
    for changed in ({"by_credits": 11}, {"reason": "another"}, {"channel_id": other}):
        refusal = await refusal_of(books, channel_credits, replace(adjustment, **changed))
        assert refusal.code is Code.CONFLICT


async def test_a_balance_never_falls_below_zero(books: Books, channel_credits: Credits) -> None:
    channel_id = await books.channel(credits_=5)
    refusal = await refusal_of(books, channel_credits, Adjustment(new_id(), channel_id, -6, "too much"))
    assert refusal.code is Code.CONFLICT
    assert refusal.details == {"balance": 5, "by": -6}
    assert "5 credits" in refusal.message
    await adjust(books.postgres, channel_credits, Adjustment(new_id(), channel_id, -5, "all of it"))
    assert (await books.balance(channel_id)).balance == 0


async def test_adjustments_at_once_never_take_more_than_there_is(books: Books, channel_credits: Credits) -> None:
    channel_id = await books.channel(credits_=7)
    outcomes = await asyncio.gather(
        *(adjust(books.postgres, channel_credits, Adjustment(new_id(), channel_id, -2, "take")) for _ in range(20)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Balance) for outcome in outcomes) == 3
    assert (await books.balance(channel_id)).balance == 1
    await books.assert_clean()


@pytest.mark.parametrize("by_credits", [0, MAX_ADJUSTMENT_CREDITS + 1, -MAX_ADJUSTMENT_CREDITS - 1])
async def test_an_adjustment_of_nothing_or_too_much_is_refused(
    books: Books, channel_credits: Credits, by_credits: int
) -> None:
    channel_id = await books.channel(credits_=5)
    refusal = await refusal_of(books, channel_credits, Adjustment(new_id(), channel_id, by_credits, "why"))
    assert refusal.code is Code.BAD_REQUEST


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501, "a\0b"])
async def test_an_adjustment_needs_a_reason(books: Books, channel_credits: Credits, reason: str) -> None:
    channel_id = await books.channel(credits_=5)
    refusal = await refusal_of(books, channel_credits, Adjustment(new_id(), channel_id, 1, reason))
    assert refusal.code is Code.BAD_REQUEST


async def test_an_unknown_channel_is_not_found(books: Books, channel_credits: Credits) -> None:
    refusal = await refusal_of(books, channel_credits, Adjustment(new_id(), new_id(), 1, "why"))
    assert refusal.code is Code.NOT_FOUND
