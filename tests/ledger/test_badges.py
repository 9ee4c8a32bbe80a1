"""Badges are earned in the transaction of what earns them, by visitors and users alike."""

import pytest

from server.domain.givers import Giver
from server.domain.transactions import TransactionType
from tests.ledger.books import Books
from tests.ledger.fans import held, holdings

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE


@pytest.mark.parametrize("is_user", [False, True])
async def test_a_first_contribution_is_earned_with_its_transaction_and_its_time(books: Books, is_user: bool) -> None:
    channel_id = await books.channel(is_active=False)
    user_id = await books.user() if is_user else None
    session_id = await books.session(user_id)
    giver = Giver.of(user_id, session_id)
    new = await books.contribution(channel_id, ACTIVATION, 100, session_id=session_id)
    assert await held(books.postgres, giver) == set()
    await books.settle(new.id)
    assert await held(books.postgres, giver) == {("spark", None), ("star", channel_id), ("hexagon", channel_id)}
    row = await books.postgres.pool.fetchrow(
        'SELECT id, created_at FROM "transaction" WHERE contribution_id = $1', new.id
    )
    assert row is not None
    assert {(one.transaction_id, one.earned_at) for one in await holdings(books.postgres, giver)} == {tuple(row)}
