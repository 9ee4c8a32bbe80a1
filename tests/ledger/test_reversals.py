"""A reversal takes back what a transaction gave, once for each reference, and never what others gave."""

from uuid import UUID

from server.domain.transactions import TransactionType
from server.ledger.reversals import Reversal, reverse
from tests.ledger.books import Books

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE


async def transaction_of(books: Books, contribution_id: UUID, type_: TransactionType) -> UUID:
    found = await books.postgres.pool.fetchval(
        'SELECT id FROM "transaction" WHERE contribution_id = $1 AND type = $2 AND reverses_id IS NULL',
        contribution_id,
        type_,
    )
    assert isinstance(found, UUID)
    return found


async def take_back(
    books: Books, transaction_id: UUID, amount_cents: int | None = None, *, reference: str = "r-1", reason: str = "why"
) -> Reversal | None:
    return await books.postgres.transact(
        lambda conn: reverse(conn, transaction_id, reference=reference, amount_cents=amount_cents, reason=reason)
    )


async def test_a_reversed_purchase_takes_its_credits_back(books: Books) -> None:
    channel_id = await books.channel()
    given = await books.give(channel_id, CREDIT_PURCHASE, 500)
    bought = await transaction_of(books, given.contribution_id, CREDIT_PURCHASE)
    reversal = await take_back(books, bought)
    assert reversal is not None
    assert (reversal.amount_cents, reversal.credits, reversal.deficit_credits) == (500, 50, 0)
    assert await books.entries(channel_id) == [(1, "PURCHASE", 50, 50), (2, "ADJUST", -50, 0)]
    await books.assert_clean()
    assert await take_back(books, bought) is None
    assert await books.entries(channel_id) == [(1, "PURCHASE", 50, 50), (2, "ADJUST", -50, 0)]
