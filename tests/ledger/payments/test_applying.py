"""What one piece of news does to a contribution, and what it does not."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from server.domain.events import CreditReason
from server.domain.payments import EventProblem, PaymentKind
from server.ledger.payments.applying import Applied
from tests.ledger.payments.news import Desk, news, refund

PENDING, PAID, FAILED, EXPIRED = PaymentKind.PENDING, PaymentKind.PAID, PaymentKind.FAILED, PaymentKind.EXPIRED


async def test_a_payment_is_credited_and_says_what_to_publish(desk: Desk) -> None:
    new = await desk.give(1_000)
    applied = await desk.take(news(new, PAID))
    assert applied.balances == [(await desk.books.balance(new.channel_id), CreditReason.PURCHASE)]
    assert (applied.contribution_id, applied.changed, applied.problems) == (new.id, new.channel_id, {})
    assert (await desk.status(new), await desk.credits(new)) == ("SETTLED", 100)
    assert await desk.unapplied() == {}
    await desk.books.assert_clean()


async def test_the_same_news_again_changes_nothing(desk: Desk) -> None:
    new = await desk.give()
    await desk.take(news(new, PAID))
    assert await desk.take(news(new, PAID)) == Applied(is_repeat=True)
    assert (await desk.credits(new), await desk.events()) == (100, 1)


async def test_the_same_news_twice_at_the_same_time_is_applied_once(desk: Desk) -> None:
    new = await desk.give()
    taken = await asyncio.gather(*(desk.take(news(new, PAID)) for _ in range(8)))
    assert sorted(applied.is_repeat for applied in taken) == [False] + [True] * 7
    assert (await desk.credits(new), await desk.events()) == (100, 1)
    await desk.books.assert_clean()


async def test_other_news_of_the_same_payment_is_nothing_new(desk: Desk) -> None:
    new = await desk.give()
    await desk.take(news(new, PAID))
    assert (await desk.take(news(new, PAID, "another-id"))).problems == {}
    assert await desk.credits(new) == 100


async def test_different_news_of_one_payment_at_the_same_time_credits_once(desk: Desk) -> None:
    new = await desk.give()
    await asyncio.gather(*(desk.take(news(new, PAID, f"event-{number}")) for number in range(6)))
    assert (await desk.credits(new), await desk.unapplied()) == (100, {})
    await desk.books.assert_clean()


@pytest.mark.parametrize("name", ["reference", "payment_reference"])
async def test_a_second_payment_of_a_contribution_is_owed_and_never_credited(desk: Desk, name: str) -> None:
    new = await desk.give()
    await desk.take(news(new, PAID))
    applied = await desk.take(news(new, PAID, "second", **{name: "a-second-payment"}))
    assert (applied.problems, applied.balances) == ({"second": EventProblem.PAID_TWICE}, [])
    assert (await desk.credits(new), await desk.amounts(new)) == (100, [1_000])


async def test_a_payment_is_found_by_our_id_before_its_reference_is_written_down(desk: Desk) -> None:
    new = await desk.give()
    assert await desk.references(new.id) == (None, None)
    await desk.take(news(new, PAID))
    assert await desk.references(new.id) == (f"ref-{new.id.hex}", f"pay-{new.id.hex}")
    assert await desk.credits(new) == 100


async def test_the_rows_of_a_payment_carry_its_reference(desk: Desk) -> None:
    new = await desk.give()
    await desk.take(news(new, PAID))
    stored = await desk.books.postgres.pool.fetchval(
        'SELECT provider_reference FROM "transaction" WHERE contribution_id = $1', new.id
    )
    assert stored == f"ref-{new.id.hex}"


async def test_nobody_is_credited_by_another_provider(desk: Desk) -> None:
    new = await desk.give()
    await desk.take(news(new, PENDING))
    applied = await desk.take(news(new, PAID), provider="stripe")
    assert list(applied.problems.values()) == [EventProblem.UNKNOWN_REFERENCE]
    assert (await desk.status(new), await desk.credits(new)) == ("PENDING", 0)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"amount_cents": 999}, EventProblem.AMOUNT_DIFFERS),
        ({"amount_cents": 1_001}, EventProblem.AMOUNT_DIFFERS),
        ({"amount_cents": None}, EventProblem.AMOUNT_DIFFERS),
        ({"currency": "EUR"}, EventProblem.CURRENCY_DIFFERS),
        ({"currency": None}, EventProblem.CURRENCY_DIFFERS),
    ],
)
async def test_a_payment_of_something_else_is_kept_and_credits_nothing(
    desk: Desk, changes: dict[str, Any], problem: EventProblem
) -> None:
    new = await desk.give(1_000)
    applied = await desk.take(news(new, PAID, **changes))
    assert list(applied.problems.values()) == [problem]
    assert (await desk.status(new), await desk.credits(new)) == ("CREATED", 0)
    assert list((await desk.unapplied()).values()) == [problem]


async def test_names_that_contradict_each_other_credit_nobody(desk: Desk) -> None:
    first, second = await desk.give(), await desk.give()
    await desk.take(news(first, PENDING))
    for number, contribution_id in enumerate((second.id, uuid4())):
        applied = await desk.take(news(first, PAID, f"event-{number}", contribution_id=contribution_id))
        assert list(applied.problems.values()) == [EventProblem.CONTRIBUTION_DIFFERS]
    assert (await desk.credits(first), await desk.credits(second)) == (0, 0)


async def test_an_unknown_reference_is_kept(desk: Desk) -> None:
    new = await desk.give()
    applied = await desk.take(news(new, PAID, contribution_id=None))
    assert (applied.contribution_id, list(applied.problems.values())) == (None, [EventProblem.UNKNOWN_REFERENCE])
    assert await desk.status(new) == "CREATED"


async def test_what_is_of_no_interest_is_kept_and_does_nothing(desk: Desk) -> None:
    new = await desk.give()
    assert (await desk.take(replace(news(new, PAID), kind=None))).problems == {}
    assert (await desk.status(new), await desk.unapplied(), await desk.events()) == ("CREATED", {}, 1)


@pytest.mark.parametrize("kind", [PENDING, FAILED, EXPIRED])
async def test_late_news_never_takes_a_payment_back(desk: Desk, kind: PaymentKind) -> None:
    new = await desk.give()
    await desk.take(news(new, PAID))
    assert (await desk.take(news(new, kind))).problems == {}
    assert (await desk.status(new), await desk.credits(new)) == ("SETTLED", 100)


@pytest.mark.parametrize("kind", [FAILED, EXPIRED])
async def test_a_payment_counts_after_it_was_given_up(desk: Desk, kind: PaymentKind) -> None:
    new = await desk.give()
    await desk.take(news(new, kind))
    assert await desk.status(new) == kind.value
    await desk.take(news(new, PAID))
    assert (await desk.status(new), await desk.credits(new)) == ("SETTLED", 100)


async def test_refunds_in_part_are_each_taken_back_once(desk: Desk) -> None:
    new = await desk.give(1_000)
    await desk.take(news(new, PAID))
    applied = await desk.take(refund(new, 300))
    assert applied.balances == [(await desk.books.balance(new.channel_id), CreditReason.ADJUST)]
    await desk.take(refund(new, 300, event_id="the same refund, told once more"))
    assert (await desk.status(new), await desk.credits(new)) == ("SETTLED", 70)
    await desk.take(refund(new, 700, "re-2"))
    assert (await desk.status(new), await desk.credits(new)) == ("REVERSED", 0)
    assert await desk.unapplied() == {}
    await desk.books.assert_clean()


async def test_more_than_is_left_is_not_taken_back(desk: Desk) -> None:
    new = await desk.give(1_000)
    await desk.take(news(new, PAID))
    await desk.take(refund(new, 600))
    applied = await desk.take(refund(new, 500, "re-2"))
    assert (list(applied.problems.values()), applied.balances) == ([EventProblem.REFUND_REFUSED], [])
    assert await desk.credits(new) == 40


async def test_a_refund_that_overtakes_its_payment_waits_for_it(desk: Desk) -> None:
    new = await desk.give(1_000)
    await desk.take(news(new, PENDING))
    applied = await desk.take(refund(new, 300))
    assert list(applied.problems.values()) == [EventProblem.NOT_PAID_YET]
    applied = await desk.take(news(new, PAID))
    assert [why for _, why in applied.balances] == [CreditReason.PURCHASE, CreditReason.ADJUST]
    assert (await desk.credits(new), await desk.amounts(new)) == (70, [1_000, -300])
    assert await desk.unapplied() == {}
    await desk.books.assert_clean()


async def test_a_refund_of_another_currency_is_not_taken_back(desk: Desk) -> None:
    new = await desk.give()
    await desk.take(news(new, PAID))
    assert list((await desk.take(refund(new, 300, currency="EUR"))).problems.values()) == [
        EventProblem.CURRENCY_DIFFERS
    ]
    assert await desk.credits(new) == 100


async def test_money_that_comes_again_is_left_to_an_admin(desk: Desk) -> None:
    new = await desk.give()
    await desk.take(news(new, PAID))
    await desk.take(refund(new, 1_000))
    applied = await desk.take(refund(new, 1_000, event_id="won", kind=PaymentKind.REINSTATED))
    assert applied.problems == {"won": EventProblem.REINSTATED}
    assert (await desk.status(new), await desk.credits(new)) == ("REVERSED", 0)


async def test_a_payment_and_its_refund_at_the_same_time_end_the_same(desk: Desk) -> None:
    """Whichever is first: none of the two waits for the other for ever, and none is forgotten."""
    new = await desk.give(1_000)
    await desk.take(news(new, PENDING))
    await asyncio.gather(desk.take(refund(new, 1_000)), desk.take(news(new, PAID)), desk.take(refund(new, 1_000)))
    assert (await desk.status(new), await desk.credits(new)) == ("REVERSED", 0)
    assert await desk.unapplied() == {}
    await desk.books.assert_clean()
