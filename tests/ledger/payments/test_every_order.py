"""Whatever the order in which a provider's news comes, and however often: the books are the same in the end."""

import itertools
import random

import pytest

from server.domain.payments import PaymentKind
from server.ledger.contributions import NewContribution
from server.ledger.payments.provider import PaymentEvent
from tests.ledger.payments.news import Desk, news, refund

Ending = tuple[str, int, int, int]
ROUNDS = 20
STORY_LENGTH = 5


def story(new: NewContribution) -> list[PaymentEvent]:
    """All that can be told of one payment which came in the end, and went back in two parts."""
    return [
        news(new, PaymentKind.PENDING),
        news(new, PaymentKind.FAILED),
        news(new, PaymentKind.PAID),
        refund(new, 300),
        refund(new, 450, "re-2"),
    ]


async def ending(desk: Desk, new: NewContribution) -> Ending:
    """The status, the credits, what is left of the money, and how many events were not applied."""
    return (
        await desk.status(new),
        await desk.credits(new),
        sum(await desk.amounts(new)),
        len(await desk.unapplied()),
    )


async def test_every_order_ends_the_same(desk: Desk) -> None:
    for order in itertools.permutations(range(STORY_LENGTH)):
        new = await desk.give(1_000)
        events = story(new)
        assert len(events) == STORY_LENGTH
        for position in order:
            await desk.take(events[position])
        assert await ending(desk, new) == ("SETTLED", 25, 250, 0), order
    await desk.books.assert_clean()


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_any_order_with_repetitions_ends_the_same(desk: Desk, seed: int) -> None:
    draw = random.Random(seed)
    new = await desk.give(1_000)
    events = story(new)
    told = [*events, news(new, PaymentKind.PAID, "told-again"), *draw.choices(events, k=draw.randrange(1, 12))]
    draw.shuffle(told)
    for event in told:
        await desk.take(event)
    assert await ending(desk, new) == ("SETTLED", 25, 250, 0), [event.event_id for event in told]
    await desk.books.assert_clean()


async def test_a_payment_that_never_comes_ends_the_same_in_every_order(desk: Desk) -> None:
    kinds = (PaymentKind.PENDING, PaymentKind.FAILED, PaymentKind.EXPIRED)
    for order in itertools.permutations(kinds):
        new = await desk.give(1_000)
        for kind in order:
            await desk.take(news(new, kind))
        assert await ending(desk, new) == ("EXPIRED", 0, 0, 0), order


async def test_an_activation_and_its_refund_end_the_same_in_every_order(desk: Desk) -> None:
    for order in itertools.permutations(range(3)):
        new = await desk.give(1_500, is_active=False)
        events = [news(new, PaymentKind.PENDING), news(new, PaymentKind.PAID), refund(new, 700)]
        for position in order:
            await desk.take(events[position])
        row = await desk.books.postgres.pool.fetchrow(
            "SELECT status, activation_funding_cents, credit_balance FROM channel WHERE id = $1", new.channel_id
        )
        assert row is not None
        assert tuple(row) == ("ACTIVE", 800, 0), order
    await desk.books.assert_clean()
