"""The claim: all that a visitor's session owns becomes the user's, once, and nothing is left behind."""

import asyncio
from uuid import UUID

import pytest

from server.domain.errors import Code, Refusal
from server.domain.givers import Giver
from server.domain.transactions import TransactionType
from server.ledger.claims import ClaimOutcome, Moved, claim
from server.ledger.unclaimed import read_unclaimed
from server.storage.ids import new_id
from tests.ledger.books import Books
from tests.ledger.fans import held

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE


async def claimed(books: Books, session_id: UUID, user_id: UUID) -> Moved:
    return await books.postgres.transact(lambda conn: claim(conn, session_id, user_id))


async def owners(books: Books, session_id: UUID) -> dict[str, set[UUID | None]]:
    """Whom the rows of a session belong to, by table."""
    return {
        table: {
            row["user_id"]
            for row in await books.postgres.pool.fetch(
                f'SELECT user_id FROM "{table}" WHERE session_id = $1', session_id
            )
        }
        for table in ("transaction", "contribution", "chat", "chat_member")
    }


async def test_all_that_the_session_owns_becomes_the_user_s(books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    session_id, user_id = await books.session(), await books.user()
    new = await books.contribution(channel_id, ACTIVATION, 1_200, session_id=session_id)
    await books.settle(new.id)
    await books.contribution(channel_id, CREDIT_PURCHASE, 100, session_id=session_id)
    for chat_id in await books.chats(channel_id, 3, session_id=session_id):
        await books.postgres.pool.execute(
            "INSERT INTO chat_member (chat_id, ref, session_id) VALUES ($1, 1, $2)", chat_id, session_id
        )
    await books.postgres.pool.execute("UPDATE chat SET last_message_at = clock_timestamp()")
    opened_only = await books.chats(channel_id, 1, session_id=session_id)
    badges = await held(books.postgres, Giver(session_id=session_id))
    assert await claimed(books, session_id, user_id) == Moved(
        ClaimOutcome.CLAIMED,
        contributions=1,
        transactions=2,
        amounts_cents={ACTIVATION: 1_000, CREDIT_PURCHASE: 200},
        credits=20,
        chats=3,
        badges=len(badges),
    )
    assert await books.postgres.pool.fetchval("SELECT user_id FROM chat WHERE id = $1", opened_only[0]) == user_id
    assert await owners(books, session_id) == {
        table: {user_id} for table in ("transaction", "contribution", "chat", "chat_member")
    }
    assert await held(books.postgres, Giver(user_id=user_id)) == badges
    assert await held(books.postgres, Giver(session_id=session_id)) == set()
    await books.assert_clean()


async def test_a_chat_that_the_visitor_has_deleted_moves_untold(books: Books) -> None:
    channel_id = await books.channel()
    session_id, user_id = await books.session(), await books.user()
    kept, deleted = await books.chats(channel_id, 2, session_id=session_id)
    await books.postgres.pool.execute("UPDATE chat SET last_message_at = clock_timestamp()")
    await books.postgres.pool.execute("UPDATE chat SET deleted_at = clock_timestamp() WHERE id = $1", deleted)
    shown = await read_unclaimed(books.postgres, session_id)
    moved = await claimed(books, session_id, user_id)
    assert (shown.chats, moved.chats) == (1, 1)
    owners_now = await books.postgres.pool.fetch("SELECT id, user_id FROM chat")
    assert {row["id"]: row["user_id"] for row in owners_now} == {kept: user_id, deleted: user_id}


async def test_a_second_claim_by_the_same_user_moves_nothing_and_says_so(books: Books) -> None:
    channel_id = await books.channel()
    session_id, user_id = await books.session(), await books.user()
    new = await books.contribution(channel_id, CREDIT_PURCHASE, 100, session_id=session_id)
    await books.settle(new.id)
    await claimed(books, session_id, user_id)
    again = await claimed(books, session_id, user_id)
    assert again == Moved(ClaimOutcome.ALREADY_YOURS)
    assert again.is_nothing


async def test_another_user_s_session_moves_nothing_and_is_told_apart(books: Books) -> None:
    channel_id = await books.channel()
    session_id, user_id, other_id = await books.session(), await books.user(), await books.user()
    new = await books.contribution(channel_id, CREDIT_PURCHASE, 100, session_id=session_id)
    await books.settle(new.id)
    await claimed(books, session_id, user_id)
    assert await claimed(books, session_id, other_id) == Moved(ClaimOutcome.ANOTHERS)
    assert (await owners(books, session_id))["transaction"] == {user_id}
    assert await held(books.postgres, Giver(user_id=other_id)) == set()
    await books.assert_clean()


async def test_a_session_that_is_not_there_is_not_found(books: Books) -> None:
    with pytest.raises(Refusal) as refused:
        await claimed(books, new_id(), await books.user())
    assert refused.value.code is Code.NOT_FOUND


async def test_two_tabs_at_once_move_it_once(books: Books) -> None:
    channel_id = await books.channel()
    session_id, user_id = await books.session(), await books.user()
    new = await books.contribution(channel_id, CREDIT_PURCHASE, 100, session_id=session_id)
    await books.settle(new.id)
    both = await asyncio.gather(*(claimed(books, session_id, user_id) for _ in range(2)))
    assert {one.outcome for one in both} == {ClaimOutcome.CLAIMED, ClaimOutcome.ALREADY_YOURS}
    assert sum(one.contributions for one in both) == 1
    await books.assert_clean()
