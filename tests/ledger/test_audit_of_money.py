"""The check finds what somebody plants into payments and reversals past the constraints, and names its row."""

from dataclasses import dataclass
from uuid import UUID

import pytest

from server.domain.transactions import TransactionType
from tests.ledger.books import Books
from tests.ledger.test_audit import World
from tests.ledger.test_reversals import Desk

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE


@dataclass
class Money(World):
    """Payments and what was taken back of them, all of it right.

    Attributes:
        activating, activation: a contribution of $10 that activated `channel`, and its transaction, of which `lowering`
            took $3 back.
        paid, purchase: a contribution of $1 and its 10 credits, of which `part` took 3 back.
        gone, whole: a contribution of $1 on `other`, and what took all of it back, with a deficit of 4 credits.
    """

    activating: UUID
    activation: UUID
    lowering: UUID
    paid: UUID
    part: UUID
    gone: UUID
    whole: UUID


async def reversal_of(desk: Desk, transaction_id: UUID, amount_cents: int | None = None) -> UUID:
    reversal = await desk.take_back(transaction_id, amount_cents)
    assert reversal is not None
    return reversal.transaction_id


@pytest.fixture
async def money(books: Books) -> Money:
    desk, channel, other = Desk(books), await books.channel(is_active=False), await books.channel()
    activating, ids = await desk.paid(channel, ACTIVATION, 1_000)
    paid, bought = await desk.paid(channel, CREDIT_PURCHASE, 100)
    gone, all_of_it = await desk.paid(other, CREDIT_PURCHASE, 100)
    await books.start(other, await books.chats(other, 4))
    spent, refunded = await books.charged_chat(channel), await books.charged_chat(channel)
    await books.spend(spent)
    await books.refund(refunded)
    return Money(
        books=books,
        channel=channel,
        other=other,
        spent=spent,
        refunded=refunded,
        opened=(await books.chats(channel))[0],
        purchase=bought[CREDIT_PURCHASE],
        visitor=await books.postgres.pool.fetchval("SELECT session_id FROM chat WHERE id = $1", spent),
        activating=activating,
        activation=ids[ACTIVATION],
        lowering=await reversal_of(desk, ids[ACTIVATION], 300),
        paid=paid,
        part=await reversal_of(desk, bought[CREDIT_PURCHASE], 35),
        gone=gone,
        whole=await reversal_of(desk, all_of_it[CREDIT_PURCHASE]),
    )


async def test_money_that_went_and_came_back_is_clean(money: Money) -> None:
    assert (await money.books.entries(money.other))[-1][1:] == ("ADJUST", -6, 0)
    await money.books.assert_clean()


def plant(row: str, change: str) -> str:
    """A statement that changes one transaction."""
    return f'UPDATE "transaction" SET {change} WHERE id = {{{row}}}'


CORRUPTIONS = {
    "reversed, and something is left": (
        "S7",
        "contribution {paid}",
        "leave 65 cents",
        ["UPDATE contribution SET status = 'REVERSED' WHERE id = {paid}"],
    ),
    "settled, and nothing is left": (
        "S7",
        "contribution {gone}",
        "leave 0 cents",
        ["UPDATE contribution SET status = 'SETTLED' WHERE id = {gone}"],
    ),
    "settled at no time": (
        "S7",
        "contribution {paid}",
        "no time",
        ["UPDATE contribution SET settled_at = NULL WHERE id = {paid}"],
    ),
    "of another channel than its contribution": (
        "S7",
        "transaction {purchase}",
        "of its contribution {paid}",
        ["UPDATE contribution SET channel_id = {other} WHERE id = {paid}"],
    ),
    "at another rate than its contribution": (
        "S7",
        "transaction {purchase}",
        "of its contribution {paid}",
        ["UPDATE contribution SET credits_per_dollar = 11 WHERE id = {paid}"],
    ),
    "of another giver than its contribution": (
        "S7",
        "transaction {purchase}",
        "of its contribution {paid}",
        ["UPDATE contribution SET session_id = {visitor} WHERE id = {paid}"],
    ),
    "an activation that credits were asked of": (
        "S7",
        "transaction {activation}",
        "of its contribution {activating}",
        ["UPDATE contribution SET type = 'CREDIT_PURCHASE' WHERE id = {activating}"],
    ),
    "two purchases of one contribution": (
        "S7",
        "contribution {paid}",
        "2 transactions",
        [
            """
            INSERT INTO "transaction" (id, channel_id, session_id, amount_cents, type, credits, credits_per_dollar,
                                       contribution_id, provider, provider_reference)
            SELECT gen_random_uuid(), channel_id, session_id, amount_cents, type, credits, credits_per_dollar,
                   contribution_id, provider, 'another' FROM "transaction" WHERE id = {purchase}
            """
        ],
    ),
    "a payment of less than nothing": (
        "S7",
        "transaction {purchase}",
        "-100 cents",
        [plant("purchase", "amount_cents = -100")],
    ),
    "a payment with a deficit": (
        "S7",
        "transaction {purchase}",
        "deficit of 1",
        [plant("purchase", "deficit_credits = 1")],
    ),
    "a payment that says it is a reversal": (
        "S7",
        "transaction {purchase}",
        "REVERSAL",
        [plant("purchase", "status = 'REVERSAL'")],
    ),
    "more credits than the rate gives": (
        "S7",
        "transaction {purchase}",
        "10 credits a dollar, with 11 credits",
        [plant("purchase", "credits = 11"), "UPDATE credit_entry SET delta = 11 WHERE source_id = {purchase}"],
    ),
    "credits of an activation": (
        "S7",
        "transaction {activation}",
        "with 1 credits",
        [plant("activation", "credits = 1")],
    ),
    "a purchase that stands twice in the ledger": (
        "S7",
        "transaction {purchase}",
        "its 2 entries have 20",
        [
            "ALTER TABLE credit_entry DROP CONSTRAINT uq_credit_entry_source_id",
            """
            INSERT INTO credit_entry (channel_id, channel_seq, kind, delta, balance_after, source_id)
            SELECT channel_id, 99, kind, delta, balance_after, source_id FROM credit_entry
            WHERE source_id = {purchase}
            """,
        ],
    ),
    "a purchase of credits by an activation": (
        "S7",
        "credit_entry channel-{channel} #1",
        "{activation}",
        ["UPDATE credit_entry SET source_id = {activation} WHERE source_id = {purchase}"],
    ),
    "a reversal took more credits than its share": (
        "S7",
        "transaction {purchase}",
        "reversals took 35 and 4",
        [plant("part", "credits = -4"), "UPDATE credit_entry SET delta = -4 WHERE source_id = {part}"],
    ),
    "a reversal took other credits than it says": (
        "S7",
        "transaction {part}",
        "entries have -2",
        ["UPDATE credit_entry SET delta = -2 WHERE source_id = {part}"],
    ),
    "a reversal took nothing": (
        "S7",
        "transaction {part}",
        "its 0 entries have 0",
        ["DELETE FROM credit_entry WHERE source_id = {part}"],
    ),
    "a reversal took from another channel": (
        "S7",
        "transaction {part}",
        "its 0 entries have 0",
        ["UPDATE credit_entry SET channel_id = {other}, channel_seq = 99 WHERE source_id = {part}"],
    ),
    "a deficit where there were credits": (
        "S7",
        "transaction {part}",
        "deficit of 1",
        [plant("part", "deficit_credits = 1"), "UPDATE credit_entry SET delta = -2 WHERE source_id = {part}"],
    ),
    "a deficit that was forgotten": (
        "S7",
        "transaction {whole}",
        "deficit of 0",
        [plant("whole", "deficit_credits = 0")],
    ),
    "a deficit of more than the credits": (
        "S7",
        "transaction {part}",
        "it is no reversal",
        [plant("part", "deficit_credits = 4")],
    ),
    "a deficit of an activation": (
        "S7",
        "transaction {lowering}",
        "it is no reversal",
        [plant("lowering", "deficit_credits = 1")],
    ),
    "a reversal of a reversal": (
        "S7",
        "transaction {whole}",
        "it is no reversal",
        [plant("whole", "reverses_id = {part}")],
    ),
    "a reversal of nothing": (
        "S7",
        "transaction {part}",
        "it is no reversal",
        [plant("part", "reverses_id = {visitor}")],
    ),
    "a reversal that gives": ("S7", "transaction {part}", "it is no reversal", [plant("part", "amount_cents = 35")]),
    "a reversal of another kind": (
        "S7",
        "transaction {part}",
        "it is no reversal",
        [plant("part", "type = 'ACTIVATION'")],
    ),
    "a reversal that says it is a payment": (
        "S7",
        "transaction {part}",
        "it is no reversal",
        [plant("part", "status = 'SETTLED'")],
    ),
    "funding that was not lowered": (
        "S7",
        "channel channel-{channel}",
        "give 700",
        ["UPDATE channel SET activation_funding_cents = 1000 WHERE id = {channel}"],
    ),
    "charged at no time": ("S3", "chat {spent}", "no time", ["UPDATE chat SET charged_at = NULL WHERE id = {spent}"]),
    "refunded, and it goes on": (
        "S4",
        "chat {refunded}",
        "OPEN",
        ["UPDATE chat SET state = 'OPEN' WHERE id = {refunded}"],
    ),
    "refunded before it was charged": (
        "S4",
        "chat {refunded}",
        "its refund is #0",
        ["UPDATE credit_entry SET channel_seq = 0 WHERE chat_id = {refunded} AND kind = 'REFUND'"],
    ),
    "a user's transaction in a session that nobody claimed": (
        "S8",
        "transaction {purchase}",
        "claimed by nobody; it belongs to {opened}",
        [plant("purchase", "user_id = {opened}")],
    ),
    "a transaction of nobody": ("S8", "transaction {purchase}", "neither", [plant("purchase", "session_id = NULL")]),
    "another user's place in a chat of a claimed session": (
        "S8",
        "chat_member 1 of chat {spent}",
        "claimed by {opened}; it belongs to {part}",
        [
            "UPDATE session SET user_id = {opened} WHERE id = {visitor}",
            "INSERT INTO chat_member (chat_id, ref, user_id, session_id) VALUES ({spent}, 1, {part}, {visitor})",
        ],
    ),
}


@pytest.mark.parametrize(
    ("invariant", "subject", "problem", "statements"), CORRUPTIONS.values(), ids=CORRUPTIONS.keys()
)
async def test_a_planted_corruption_is_found_by_its_name(
    money: Money, invariant: str, subject: str, problem: str, statements: list[str]
) -> None:
    findings = await money.corrupt(*statements)
    named, told = subject.format(**vars(money)), problem.format(**vars(money))
    assert [one for one in findings if one.invariant == invariant and one.subject == named and told in one.problem]
