"""Reversals against each other, against fans who chat, and against a visitor who signs in, twenty rounds each."""

import asyncio
from uuid import UUID

from server.domain.errors import Code, Refusal
from server.domain.transactions import TransactionType
from server.ledger.claims import claim
from server.ledger.reversals import Reversal, reverse
from tests.ledger.books import Books
from tests.ledger.test_charging import wait_for_a_lock
from tests.ledger.test_reversals import Desk

CREDIT_PURCHASE = TransactionType.CREDIT_PURCHASE
ROUNDS = 20


async def test_of_two_whole_reversals_at_once_one_wins(books: Books) -> None:
    desk, channel_id = Desk(books), await books.channel()
    for _ in range(ROUNDS):
        bought = await desk.bought(channel_id, 500)
        outcomes = await asyncio.gather(
            *(desk.take_back(bought, reference=f"key-000{number}") for number in range(2)), return_exceptions=True
        )
        won = [one for one in outcomes if isinstance(one, Reversal)]
        lost = [one for one in outcomes if isinstance(one, Refusal)]
        assert (len(won), [one.code for one in lost]) == (1, [Code.CONFLICT])
    assert (await books.balance(channel_id)).balance == 0
    await books.assert_clean()


async def test_of_many_partial_reversals_at_once_no_more_than_the_whole_is_taken(books: Books) -> None:
    desk, channel_id = Desk(books), await books.channel()
    for _ in range(ROUNDS):
        bought = await desk.bought(channel_id, 500)
        outcomes = await asyncio.gather(
            *(desk.take_back(bought, 150, reference=f"key-000{number}") for number in range(5)), return_exceptions=True
        )
        assert sum(isinstance(one, Reversal) for one in outcomes) == 3
        assert [one.details for one in outcomes if isinstance(one, Refusal)] == [{"amount": 150, "left": 50}] * 2
    await books.assert_clean()


async def test_one_reference_at_once_is_applied_once(books: Books) -> None:
    desk, channel_id = Desk(books), await books.channel()
    for _ in range(ROUNDS):
        bought = await desk.bought(channel_id, 500)
        outcomes = await asyncio.gather(*(desk.take_back(bought, 200) for _ in range(4)))
        assert sum(one is not None for one in outcomes) == 1
    await books.assert_clean()


async def test_fans_who_chat_while_credits_are_taken_back_never_overdraw_the_channel(books: Books) -> None:
    desk, channel_id = Desk(books), await books.channel()
    for _ in range(ROUNDS):
        bought = await desk.bought(channel_id, 200)
        balance = (await books.balance(channel_id)).balance
        chats = await books.chats(channel_id, 20)
        charged, reversal = await asyncio.gather(
            asyncio.gather(*(books.start(channel_id, [chat_id]) for chat_id in chats)), desk.take_back(bought)
        )
        assert reversal is not None
        taken = reversal.credits - reversal.deficit_credits
        assert (await books.balance(channel_id)).balance == balance - taken - sum(map(len, charged)) >= 0
    await books.assert_clean()


async def reverse_strictly(books: Books, transaction_id: UUID) -> Reversal | None:
    """A deadlock is raised here, not repeated."""
    async with books.postgres.pool.acquire() as conn, conn.transaction():
        return await reverse(conn, transaction_id, reference="key-0001", amount_cents=None, reason="why")


async def test_a_reversal_waits_for_a_sign_in_and_leaves_no_row_without_its_user(books: Books) -> None:
    channel_id = await books.channel()
    for _ in range(ROUNDS):
        session_id, user_id = await books.session(), await books.user()
        new = await books.contribution(channel_id, CREDIT_PURCHASE, 100, session_id=session_id)
        await books.settle(new.id)
        bought = await books.postgres.pool.fetchval('SELECT id FROM "transaction" WHERE contribution_id = $1', new.id)
        async with books.postgres.pool.acquire() as conn:
            sign_in = conn.transaction()
            await sign_in.start()
            await conn.execute("SELECT user_id FROM session WHERE id = $1 FOR UPDATE", session_id)
            reversing = asyncio.create_task(reverse_strictly(books, bought))
            await wait_for_a_lock(books.postgres)
            await claim(conn, session_id, user_id)
            await sign_in.commit()
        assert await reversing is not None
    await books.assert_clean()


async def test_reversals_and_settlements_of_one_channel_do_not_wait_for_each_other_for_ever(books: Books) -> None:
    desk, channel_id = Desk(books), await books.channel()
    session_id = await books.session()
    for _ in range(ROUNDS):
        bought = await asyncio.gather(*(desk.bought(channel_id, 100) for _ in range(3)))
        new = [await books.contribution(channel_id, CREDIT_PURCHASE, 100, session_id=session_id) for _ in range(3)]
        await asyncio.gather(*(reverse_strictly(books, one) for one in bought), *(books.settle(one.id) for one in new))
    await books.assert_clean()
