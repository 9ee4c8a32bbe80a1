"""What came too early is applied when its contribution is known, once, whoever sweeps."""

import asyncio

import pytest

from server.domain.payments import EventProblem, PaymentKind
from server.ledger.contributions import NewContribution
from server.ledger.credits import Credits
from server.ledger.payments import sweeping
from server.ledger.payments.payments import Payments
from server.ledger.payments.sweeping import Sweeper
from server.storage.postgres import Postgres
from tests.ledger.payments.news import Desk, news, refund


@pytest.fixture
def sweeper(postgres: Postgres, channel_credits: Credits) -> Sweeper:
    payments = Payments(postgres, channel_credits, lambda balance, why: None, providers={}, current=None)
    return Sweeper(postgres, payments)


async def learn(desk: Desk, new: NewContribution) -> None:
    """Write down the reference, as contributing does when the provider has answered."""
    await desk.books.postgres.pool.execute(
        "UPDATE contribution SET provider_reference = $2, status = 'PENDING' WHERE id = $1",
        new.id,
        f"ref-{new.id.hex}",
    )


async def test_news_of_an_unknown_reference_waits_until_it_is_known(desk: Desk, sweeper: Sweeper) -> None:
    new = await desk.give()
    await desk.take(news(new, PaymentKind.PAID, contribution_id=None))
    assert (await sweeper.sweep(), await desk.credits(new)) == (0, 0)
    await learn(desk, new)
    assert (await sweeper.sweep(), await desk.credits(new)) == (1, 100)
    assert (await sweeper.sweep(), await desk.unapplied()) == (0, {})
    await desk.books.assert_clean()


async def test_news_that_comes_again_while_it_waits_is_no_second_one(desk: Desk, sweeper: Sweeper) -> None:
    new = await desk.give()
    for _ in range(2):
        await desk.take(news(new, PaymentKind.PAID, contribution_id=None))
    await learn(desk, new)
    assert (await sweeper.sweep(), await desk.credits(new)) == (1, 100)


async def test_a_refund_that_came_before_everything_is_swept_when_it_is_paid(desk: Desk, sweeper: Sweeper) -> None:
    new = await desk.give(1_000)
    await desk.take(refund(new, 400))
    assert await sweeper.sweep() == 0
    await desk.take(news(new, PaymentKind.PAID, payment_reference=None))
    await desk.books.postgres.pool.execute(
        "UPDATE contribution SET payment_reference = $2 WHERE id = $1", new.id, f"pay-{new.id.hex}"
    )
    assert (await sweeper.sweep(), await desk.credits(new)) == (1, 60)


async def test_a_refund_of_what_is_not_paid_is_not_tried_again_and_again(desk: Desk, sweeper: Sweeper) -> None:
    new = await desk.give()
    await desk.take(news(new, PaymentKind.PENDING))
    await desk.take(refund(new, 400))
    assert (await sweeper.sweep(), list((await desk.unapplied()).values())) == (0, [EventProblem.NOT_PAID_YET])


async def test_what_an_admin_must_look_at_is_not_swept(desk: Desk, sweeper: Sweeper) -> None:
    new = await desk.give()
    await desk.take(news(new, PaymentKind.PAID, amount_cents=1))
    assert (await sweeper.sweep(), await desk.credits(new)) == (0, 0)


async def test_what_was_never_ours_is_left_alone_after_a_month(desk: Desk, sweeper: Sweeper) -> None:
    new = await desk.give()
    await desk.take(news(new, PaymentKind.PAID, contribution_id=None))
    await learn(desk, new)
    await desk.books.postgres.pool.execute(
        "UPDATE provider_event SET received_at = received_at - $1::interval", sweeping.SWEPT_FOR
    )
    assert (await sweeper.sweep(), await desk.credits(new)) == (0, 0)


async def test_many_sweepers_apply_it_once(desk: Desk, sweeper: Sweeper) -> None:
    given = [await desk.give() for _ in range(5)]
    for new in given:
        await desk.take(news(new, PaymentKind.PAID, contribution_id=None))
        await learn(desk, new)
    await asyncio.gather(*(sweeper.sweep() for _ in range(4)))
    assert [await desk.credits(new) for new in given] == [100] * 5
    assert await desk.unapplied() == {}
    await desk.books.assert_clean()


async def test_a_sweep_and_the_payment_itself_at_the_same_time_end_the_same(desk: Desk, sweeper: Sweeper) -> None:
    for _ in range(10):
        new = await desk.give(1_000)
        await desk.take(news(new, PaymentKind.PENDING))
        await desk.take(refund(new, 250))
        await desk.take(
            news(new, PaymentKind.PAID, "early", reference="unknown", contribution_id=None, payment_reference="unknown")
        )
        await asyncio.gather(desk.take(news(new, PaymentKind.PAID)), sweeper.sweep(), sweeper.sweep())
        await sweeper.sweep()
        assert (await desk.status(new), await desk.credits(new)) == ("SETTLED", 75)
    await desk.books.assert_clean()
