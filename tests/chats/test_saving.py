"""The end of a chat's first answer earns the badges for chats, in the transaction that saves it."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from server.chats.saving import EndedAnswer, Saved, lock_earner, save_answer
from server.domain.chats import CreditState, EndReason, end_answer
from server.domain.givers import Giver
from server.ledger.claims import Moved, claim
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.ledger.books import Books
from tests.ledger.fans import held, holdings
from tests.ledger.test_charging import wait_for_a_lock

FIRST_WORDS = {("ring", None)}


@pytest.fixture
async def books(postgres_url: str) -> AsyncIterator[Books]:
    postgres = await Postgres.open(postgres_url)
    yield Books(postgres)
    await Books(postgres).assert_clean()
    await postgres.close()


async def running_answer(books: Books, session_id: UUID, *, seq: int = 2, is_spent: bool = True) -> EndedAnswer:
    """The end of an answer of a chat on a channel of its own, to be saved."""
    channel_id = await books.channel(1)
    (chat_id,) = await books.chats(channel_id, session_id=session_id)
    await books.start(channel_id, [chat_id])
    if is_spent:
        await books.spend(chat_id)
    message_id = new_id()
    await books.postgres.pool.execute(
        "INSERT INTO message (id, chat_id, seq, type, status) VALUES ($1, $2, $3, 'AI', 'STREAMING')",
        message_id,
        chat_id,
        seq,
    )
    await books.postgres.pool.execute("UPDATE chat SET state = 'ANSWERING' WHERE id = $1", chat_id)
    credit_state = CreditState.SPENT if is_spent else CreditState.CHARGED
    ending = end_answer(EndReason.STOP, credit_state, has_text=is_spent, is_full=False)
    return EndedAnswer(chat_id, channel_id, 1, message_id, "Hm." if is_spent else "", 1, 1, ending)


async def saved(books: Books, answer: EndedAnswer) -> Saved:
    outcome, _ = await books.postgres.transact(lambda conn: save_answer(conn, answer))
    return outcome


@pytest.mark.parametrize("is_user", [False, True])
async def test_a_first_chat_earns_its_badge_at_the_time_of_its_first_token(books: Books, is_user: bool) -> None:
    user_id = await books.user() if is_user else None
    session_id = await books.session(user_id)
    giver = Giver.of(user_id, session_id)
    answer = await running_answer(books, session_id)
    await books.postgres.pool.execute("UPDATE chat SET user_id = $2 WHERE id = $1", answer.chat_id, user_id)
    assert await held(books.postgres, giver) == set()
    await saved(books, answer)
    assert await held(books.postgres, giver) == FIRST_WORDS
    (holding,) = await holdings(books.postgres, giver)
    first_token_at = await books.postgres.pool.fetchval("SELECT first_token_at FROM chat WHERE id = $1", answer.chat_id)
    assert (holding.earned_at, holding.transaction_id) == (first_token_at, None)


async def test_a_refunded_chat_earns_nothing(books: Books) -> None:
    session_id = await books.session()
    await saved(books, await running_answer(books, session_id, is_spent=False))
    assert await held(books.postgres, Giver(session_id=session_id)) == set()


async def test_saving_again_and_a_second_chat_earn_nothing_more(books: Books) -> None:
    session_id = await books.session()
    answer = await running_answer(books, session_id)
    await saved(books, answer)
    before = await holdings(books.postgres, Giver(session_id=session_id))
    await saved(books, answer)
    await saved(books, await running_answer(books, session_id))
    assert await holdings(books.postgres, Giver(session_id=session_id)) == before


async def test_a_later_answer_asks_nothing_of_badges(books: Books) -> None:
    session_id = await books.session()
    await saved(books, await running_answer(books, session_id, seq=4))
    assert await held(books.postgres, Giver(session_id=session_id)) == set()


async def test_an_answer_that_is_saved_during_the_claim_earns_for_the_user(books: Books) -> None:
    session_id, user_id = await books.session(), await books.user()
    answer = await running_answer(books, session_id)
    async with books.postgres.pool.acquire() as conn:
        claiming = conn.transaction()
        await claiming.start()
        await claim(conn, session_id, user_id)
        saving = asyncio.create_task(saved(books, answer))
        await wait_for_a_lock(books.postgres)
        await claiming.commit()
    assert await saving is Saved.DONE
    # The claim itself has counted the chat: its credit was spent, whatever became of its answer.
    assert await held(books.postgres, Giver(user_id=user_id)) == FIRST_WORDS


async def test_a_claim_during_the_save_waits_and_takes_the_badge_along(books: Books) -> None:
    session_id, user_id = await books.session(), await books.user()
    answer = await running_answer(books, session_id)
    async with books.postgres.pool.acquire() as conn:
        saving = conn.transaction()
        await saving.start()
        await save_answer(conn, answer)
        claiming = asyncio.create_task(books.postgres.transact(lambda other: claim(other, session_id, user_id)))
        await wait_for_a_lock(books.postgres)
        await saving.commit()
    assert (await claiming).badges == 1
    assert await held(books.postgres, Giver(user_id=user_id)) == FIRST_WORDS


async def test_whoever_locks_the_chat_first_has_locked_its_session_before(books: Books) -> None:
    session_id, user_id = await books.session(), await books.user()
    answer = await running_answer(books, session_id)

    async def claim_once() -> Moved:
        """Not repeated after a deadlock, which would hide it."""
        async with books.postgres.pool.acquire() as other, other.transaction():
            return await claim(other, session_id, user_id)

    async with books.postgres.pool.acquire() as conn, conn.transaction():
        assert await lock_earner(conn, answer.message_id)
        await conn.execute("SELECT 1 FROM chat WHERE id = $1 FOR UPDATE", answer.chat_id)
        claiming = asyncio.create_task(claim_once())
        await wait_for_a_lock(books.postgres)
        await save_answer(conn, answer)
    assert (await claiming).badges == 1
