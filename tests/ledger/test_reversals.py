"""A reversal takes back what a transaction gave, once for each reference, and never what others gave."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from server.domain.errors import Code, Refusal
from server.domain.transactions import TransactionType
from server.ledger.contributions import settle
from server.ledger.reversals import (
    MAX_REASON_CHARACTERS,
    MAX_REFERENCE_CHARACTERS,
    Reversal,
    reverse,
    reverse_contribution,
)
from server.storage.ids import new_id
from tests.ledger.books import Books

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE


@dataclass
class Desk:
    """Somebody who reverses."""

    books: Books

    async def paid(
        self, channel_id: UUID, type_: TransactionType, cents: int
    ) -> tuple[UUID, dict[TransactionType, UUID]]:
        """A settled contribution: its id, and its transactions by type."""
        given = await self.books.give(channel_id, type_, cents)
        rows = await self.books.postgres.pool.fetch(
            'SELECT id, type FROM "transaction" WHERE contribution_id = $1', given.contribution_id
        )
        return given.contribution_id, {TransactionType(row["type"]): row["id"] for row in rows}

    async def bought(self, channel_id: UUID, cents: int) -> UUID:
        """The transaction of a purchase of credits."""
        return (await self.paid(channel_id, CREDIT_PURCHASE, cents))[1][CREDIT_PURCHASE]

    async def take_back(
        self, transaction_id: UUID, amount_cents: int | None = None, *, reference: str = "key-0001", reason: str = "why"
    ) -> Reversal | None:
        return await self.books.postgres.transact(
            lambda conn: reverse(conn, transaction_id, reference=reference, amount_cents=amount_cents, reason=reason)
        )

    async def refund(
        self, contribution_id: UUID, amount_cents: int | None = None, *, reference: str = "re_1", reason: str = "refund"
    ) -> tuple[Reversal, ...] | None:
        return await self.books.postgres.transact(
            lambda conn: reverse_contribution(
                conn, contribution_id, reference=reference, amount_cents=amount_cents, reason=reason
            )
        )

    async def refused(self, transaction_id: UUID, amount_cents: int | None = None, **more: str) -> Refusal:
        """The refusal; nothing was written."""
        before = await self.rows()
        with pytest.raises(Refusal) as refused:
            await self.take_back(transaction_id, amount_cents, **more)
        assert await self.rows() == before
        return refused.value

    async def rows(self) -> int:
        return int(await self.books.postgres.pool.fetchval('SELECT count(*) FROM "transaction"'))

    async def status(self, contribution_id: UUID) -> str:
        return str(
            await self.books.postgres.pool.fetchval("SELECT status FROM contribution WHERE id = $1", contribution_id)
        )

    async def channel(self, channel_id: UUID) -> tuple[str, int, int]:
        """Status, funding, balance."""
        row = await self.books.postgres.pool.fetchrow(
            "SELECT status, activation_funding_cents, credit_balance FROM channel WHERE id = $1", channel_id
        )
        assert row is not None
        return tuple(row)


@pytest.fixture
def desk(books: Books) -> Desk:
    return Desk(books)


async def test_a_reversed_purchase_takes_its_credits_back(desk: Desk, books: Books) -> None:
    channel_id = await books.channel()
    contribution_id, ids = await desk.paid(channel_id, CREDIT_PURCHASE, 500)
    reversal = await desk.take_back(ids[CREDIT_PURCHASE])
    assert reversal is not None
    assert (reversal.amount_cents, reversal.credits, reversal.deficit_credits) == (500, 50, 0)
    assert await books.entries(channel_id) == [(1, "PURCHASE", 50, 50), (2, "ADJUST", -50, 0)]
    assert await desk.status(contribution_id) == "REVERSED"
    await books.assert_clean()


async def test_the_row_points_at_the_old_one_and_has_its_reason_and_the_admin(desk: Desk, books: Books) -> None:
    channel_id, admin_id = await books.channel(), await books.user()
    bought = await desk.bought(channel_id, 500)
    await books.postgres.transact(
        lambda conn: reverse(
            conn, bought, reference="key-0001", amount_cents=200, reason="by mistake", by_user_id=admin_id
        )
    )
    row = await books.postgres.pool.fetchrow('SELECT * FROM "transaction" WHERE reverses_id = $1', bought)
    original = await books.postgres.pool.fetchrow('SELECT * FROM "transaction" WHERE id = $1', bought)
    assert row is not None
    assert original is not None
    assert (row["status"], row["amount_cents"], row["credits"], row["deficit_credits"]) == ("REVERSAL", -200, -20, 0)
    assert (row["reason"], row["reversed_by"], row["provider_reference"]) == ("by mistake", admin_id, "key-0001")
    for same in ("channel_id", "session_id", "user_id", "contribution_id", "type", "provider", "currency"):
        assert row[same] == original[same], same
    assert "by mistake" not in row["description"]  # the public reads it
    assert row["created_at"] > original["created_at"]


@pytest.mark.parametrize(("used", "deficit"), [(0, 0), (20, 0), (21, 1), (50, 30)])
async def test_what_was_used_already_is_a_deficit_and_not_taken(
    desk: Desk, books: Books, used: int, deficit: int
) -> None:
    channel_id = await books.channel(credits_=20)
    bought = await desk.bought(channel_id, 300)
    if used:
        await books.start(channel_id, await books.chats(channel_id, used))
    reversal = await desk.take_back(bought)
    assert reversal is not None
    assert (reversal.credits, reversal.deficit_credits) == (30, deficit)
    assert (await books.balance(channel_id)).balance == max(0, 20 - used)
    await books.assert_clean()


async def test_of_an_empty_channel_nothing_is_taken_and_no_entry_written(desk: Desk, books: Books) -> None:
    channel_id = await books.channel()
    bought = await desk.bought(channel_id, 10)
    await books.charged_chat(channel_id)
    entries = await books.entries(channel_id)
    reversal = await desk.take_back(bought)
    assert reversal is not None
    assert (reversal.deficit_credits, reversal.balance) == (1, None)
    assert await books.entries(channel_id) == entries
    await books.assert_clean()


async def test_a_reversed_activation_lowers_the_funding_of_a_channel_that_stays_on_air(
    desk: Desk, books: Books
) -> None:
    channel_id = await books.channel(is_active=False)
    _, first = await desk.paid(channel_id, ACTIVATION, 300)
    await desk.paid(channel_id, ACTIVATION, 700)
    assert await desk.channel(channel_id) == ("ACTIVE", 1_000, 0)
    reversal = await desk.take_back(first[ACTIVATION])
    assert reversal is not None
    assert (reversal.amount_cents, reversal.credits, reversal.balance) == (300, 0, None)
    assert await desk.channel(channel_id) == ("ACTIVE", 700, 0)
    await books.assert_clean()


async def test_a_channel_below_its_goal_that_was_on_air_takes_no_more_funding(desk: Desk, books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    _, ids = await desk.paid(channel_id, ACTIVATION, 1_000)
    await desk.take_back(ids[ACTIVATION])
    assert await desk.channel(channel_id) == ("ACTIVE", 0, 0)
    await books.give(channel_id, ACTIVATION, 500)
    assert await desk.channel(channel_id) == ("ACTIVE", 0, 50)
    await books.assert_clean()


async def test_a_pending_channel_can_reach_its_goal_after_a_reversal(desk: Desk, books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    _, ids = await desk.paid(channel_id, ACTIVATION, 900)
    await desk.take_back(ids[ACTIVATION], 400)
    assert await desk.channel(channel_id) == ("PENDING", 500, 0)
    await books.give(channel_id, ACTIVATION, 500)
    assert await desk.channel(channel_id) == ("ACTIVE", 1_000, 0)
    await books.assert_clean()


async def test_a_contribution_is_reversed_when_nothing_of_both_its_transactions_is_left(
    desk: Desk, books: Books
) -> None:
    channel_id = await books.channel(is_active=False)
    contribution_id, ids = await desk.paid(channel_id, ACTIVATION, 1_500)
    await desk.take_back(ids[ACTIVATION])
    await desk.take_back(ids[CREDIT_PURCHASE], 499)
    assert await desk.status(contribution_id) == "SETTLED"
    await desk.take_back(ids[CREDIT_PURCHASE], 1, reference="key-0002")
    assert await desk.status(contribution_id) == "REVERSED"
    await books.assert_clean()


async def test_what_was_reversed_does_not_settle_again(desk: Desk, books: Books) -> None:
    contribution_id, ids = await desk.paid(await books.channel(), CREDIT_PURCHASE, 500)
    await desk.take_back(ids[CREDIT_PURCHASE])
    assert await books.postgres.transact(lambda conn: settle(conn, contribution_id)) is None
    await books.assert_clean()


async def test_the_parts_take_as_many_credits_as_the_whole(desk: Desk, books: Books) -> None:
    channel_id = await books.channel()
    bought = await desk.bought(channel_id, 199)  # 19 credits
    taken = []
    for number, cents in enumerate((1, 9, 90, 99)):
        reversal = await desk.take_back(bought, cents, reference=f"key-000{number}")
        assert reversal is not None
        taken.append(reversal.credits)
    assert taken == [0, 0, 9, 10]
    await books.assert_clean()


async def test_the_same_reference_again_changes_nothing(desk: Desk, books: Books) -> None:
    channel_id = await books.channel()
    bought = await desk.bought(channel_id, 500)
    assert await desk.take_back(bought, 200) is not None
    before = await desk.rows()
    assert await desk.take_back(bought, 200) is None
    assert await desk.rows() == before
    assert (await books.balance(channel_id)).balance == 30


@pytest.mark.parametrize(
    ("amount_cents", "reason"), [(201, "why"), (199, "why"), (None, "why"), (200, "another reason")]
)
async def test_the_same_reference_for_something_else_is_a_conflict(
    desk: Desk, books: Books, amount_cents: int | None, reason: str
) -> None:
    bought = await desk.bought(await books.channel(), 500)
    await desk.take_back(bought, 200)
    assert (await desk.refused(bought, amount_cents, reason=reason)).code is Code.CONFLICT


async def test_all_that_is_left_is_the_same_again_where_it_left_nothing(desk: Desk, books: Books) -> None:
    bought = await desk.bought(await books.channel(), 500)
    await desk.take_back(bought, 200, reference="key-0001")
    await desk.take_back(bought, None, reference="key-0002")
    assert await desk.take_back(bought, None, reference="key-0002") is None
    assert await desk.take_back(bought, 300, reference="key-0002") is None
    assert (await desk.refused(bought, None, reference="key-0001")).code is Code.CONFLICT


async def test_one_reference_may_reverse_several_transactions(desk: Desk, books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    contribution_id, ids = await desk.paid(channel_id, ACTIVATION, 1_500)
    assert await desk.take_back(ids[ACTIVATION]) is not None
    assert await desk.take_back(ids[CREDIT_PURCHASE]) is not None
    assert await desk.status(contribution_id) == "REVERSED"
    await books.assert_clean()


async def test_more_than_is_left_is_a_conflict_with_the_figures(desk: Desk, books: Books) -> None:
    bought = await desk.bought(await books.channel(), 500)
    await desk.take_back(bought, 200)
    refusal = await desk.refused(bought, 301, reference="key-0002")
    assert (refusal.code, refusal.details) == (Code.CONFLICT, {"amount": 301, "left": 300})
    assert await desk.take_back(bought, 300, reference="key-0002") is not None


@pytest.mark.parametrize("amount_cents", [1, None])
async def test_of_what_was_reversed_whole_nothing_is_left(desk: Desk, books: Books, amount_cents: int | None) -> None:
    bought = await desk.bought(await books.channel(), 500)
    await desk.take_back(bought)
    refusal = await desk.refused(bought, amount_cents, reference="key-0002")
    assert (refusal.code, refusal.details["left"]) == (Code.CONFLICT, 0)


async def test_a_reversal_is_not_reversed(desk: Desk, books: Books) -> None:
    reversal = await desk.take_back(await desk.bought(await books.channel(), 500))
    assert reversal is not None
    assert (await desk.refused(reversal.transaction_id)).code is Code.CONFLICT


async def test_an_unknown_transaction_is_not_found(desk: Desk) -> None:
    assert (await desk.refused(new_id())).code is Code.NOT_FOUND


@pytest.mark.parametrize("amount_cents", [0, -1, -500])
async def test_less_than_a_cent_is_refused(desk: Desk, books: Books, amount_cents: int) -> None:
    bought = await desk.bought(await books.channel(), 500)
    assert (await desk.refused(bought, amount_cents)).code is Code.BAD_REQUEST


@pytest.mark.parametrize("reason", ["", " \n", "x" * (MAX_REASON_CHARACTERS + 1), "a\0b"])
async def test_a_reversal_needs_a_reason(desk: Desk, books: Books, reason: str) -> None:
    bought = await desk.bought(await books.channel(), 500)
    assert (await desk.refused(bought, reason=reason)).code is Code.BAD_REQUEST


@pytest.mark.parametrize("reference", ["", "x" * (MAX_REFERENCE_CHARACTERS + 1), "a\0b"])
async def test_a_reversal_needs_a_reference(desk: Desk, books: Books, reference: str) -> None:
    bought = await desk.bought(await books.channel(), 500)
    assert (await desk.refused(bought, reference=reference)).code is Code.BAD_REQUEST


async def test_the_longest_reason_and_reference_are_kept(desk: Desk, books: Books) -> None:
    bought = await desk.bought(await books.channel(), 500)
    reason, reference = "x" * MAX_REASON_CHARACTERS, "y" * MAX_REFERENCE_CHARACTERS
    assert await desk.take_back(bought, reason=reason, reference=reference) is not None


async def test_a_refund_takes_from_the_credits_first(desk: Desk, books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    contribution_id, _ = await desk.paid(channel_id, ACTIVATION, 1_500)
    reversals = await desk.refund(contribution_id, 700)
    assert reversals is not None
    assert [(one.type, one.amount_cents) for one in reversals] == [(CREDIT_PURCHASE, 500), (ACTIVATION, 200)]
    assert await desk.channel(channel_id) == ("ACTIVE", 800, 0)
    assert await desk.status(contribution_id) == "SETTLED"
    rest = await desk.refund(contribution_id, None, reference="re_2")
    assert rest is not None
    assert [(one.type, one.amount_cents) for one in rest] == [(ACTIVATION, 800)]
    assert await desk.status(contribution_id) == "REVERSED"
    await books.assert_clean()


async def test_a_refund_that_is_told_again_changes_nothing_whatever_reason_it_gives(desk: Desk, books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    contribution_id, _ = await desk.paid(channel_id, ACTIVATION, 1_500)
    await desk.refund(contribution_id, 700)
    before = await desk.rows()
    assert await desk.refund(contribution_id, 700, reason="found by the poller") is None
    with pytest.raises(Refusal) as refused:
        await desk.refund(contribution_id, 701)
    assert refused.value.code is Code.CONFLICT
    assert await desk.rows() == before


async def test_a_refund_of_more_than_is_left_is_a_conflict(desk: Desk, books: Books) -> None:
    contribution_id, ids = await desk.paid(await books.channel(), CREDIT_PURCHASE, 500)
    await desk.take_back(ids[CREDIT_PURCHASE], 400)
    with pytest.raises(Refusal) as refused:
        await desk.refund(contribution_id, 500)
    assert (refused.value.code, refused.value.details) == (Code.CONFLICT, {"amount": 500, "left": 100})


async def test_what_has_not_settled_is_not_refunded(desk: Desk, books: Books) -> None:
    new = await books.contribution(await books.channel(), CREDIT_PURCHASE, 500)
    for contribution_id, code in ((new.id, Code.CONFLICT), (new_id(), Code.NOT_FOUND)):
        with pytest.raises(Refusal) as refused:
            await desk.refund(contribution_id)
        assert refused.value.code is code
