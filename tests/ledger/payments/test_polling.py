"""What stays PENDING is asked for after a while; what nobody pays any more comes to its end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from server.domain.errors import Code, Refusal
from server.domain.payments import PaymentKind
from server.ledger.contributions import NewContribution
from server.ledger.credits import Credits
from server.ledger.payments.payments import Payments
from server.ledger.payments.polling import ASKED_AFTER, FORGOTTEN_AFTER, NEVER_OPENED_AFTER, Poller
from server.ledger.payments.provider import Checkout, Order, PaymentEvent
from server.storage.postgres import Postgres
from tests.ledger.payments.news import SANDBOX, Desk, news

MOMENT = timedelta(seconds=20)


@dataclass
class Silent:
    """A provider that sends nothing, and answers when it is asked."""

    name: str = SANDBOX
    answers: dict[str, PaymentEvent] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    is_away: bool = False

    async def open_checkout(self, order: Order) -> Checkout:
        return Checkout(f"ref-{order.contribution_id.hex}", "/")

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent:
        raise Refusal(Code.FORBIDDEN, f"{len(body)} bytes, {len(headers)} headers")

    async def look_up(self, reference: str) -> PaymentEvent | None:
        self.asked.append(reference)
        if self.is_away:
            raise Refusal(Code.UNAVAILABLE, "It is away.")
        return self.answers.get(reference)


@pytest.fixture
def silent() -> Silent:
    return Silent()


@pytest.fixture
def poller(postgres: Postgres, channel_credits: Credits, silent: Silent) -> Poller:
    payments = Payments(
        postgres, channel_credits, lambda balance, why: None, providers={SANDBOX: silent}, current=SANDBOX
    )
    return Poller(postgres, payments)


async def pending(desk: Desk, age: timedelta) -> NewContribution:
    new = await desk.give()
    await desk.take(news(new, PaymentKind.PENDING))
    await grow_old(desk, new, age)
    return new


async def grow_old(desk: Desk, new: NewContribution, age: timedelta) -> None:
    await desk.books.postgres.pool.execute(
        "UPDATE contribution SET updated_at = clock_timestamp() - $2::interval WHERE id = $1", new.id, age
    )


async def test_a_payment_whose_news_was_lost_is_found(desk: Desk, poller: Poller, silent: Silent) -> None:
    new = await pending(desk, ASKED_AFTER + MOMENT)
    silent.answers[f"ref-{new.id.hex}"] = news(new, PaymentKind.PAID, "asked")
    assert await poller.poll() == 1
    assert (await desk.status(new), await desk.credits(new)) == ("SETTLED", 100)
    assert await poller.poll() == 0


async def test_the_news_that_comes_after_all_is_nothing_new(desk: Desk, poller: Poller, silent: Silent) -> None:
    new = await pending(desk, ASKED_AFTER + MOMENT)
    silent.answers[f"ref-{new.id.hex}"] = news(new, PaymentKind.PAID, "asked")
    await poller.poll()
    assert (await desk.take(news(new, PaymentKind.PAID))).problems == {}
    assert await desk.credits(new) == 100


async def test_nobody_is_asked_before_ten_minutes(desk: Desk, poller: Poller, silent: Silent) -> None:
    await pending(desk, ASKED_AFTER - MOMENT)
    assert (await poller.poll(), silent.asked) == (0, [])


async def test_a_payment_is_asked_for_once_in_ten_minutes(desk: Desk, poller: Poller, silent: Silent) -> None:
    await pending(desk, ASKED_AFTER + MOMENT)
    assert [await poller.poll(), await poller.poll()] == [1, 0]
    await desk.books.postgres.pool.execute("UPDATE contribution SET polled_at = polled_at - $1::interval", ASKED_AFTER)
    assert (await poller.poll(), len(silent.asked)) == (1, 2)


async def test_a_provider_that_is_away_is_asked_again_later(desk: Desk, poller: Poller, silent: Silent) -> None:
    first, second = await pending(desk, ASKED_AFTER * 2), await pending(desk, ASKED_AFTER + MOMENT)
    silent.is_away = True
    assert (await poller.poll(), len(silent.asked)) == (2, 2)
    assert {await desk.status(first), await desk.status(second)} == {"PENDING"}


async def test_a_payment_of_another_provider_is_not_asked_for(desk: Desk, poller: Poller, silent: Silent) -> None:
    new = await pending(desk, ASKED_AFTER + MOMENT)
    await desk.books.postgres.pool.execute("UPDATE contribution SET provider = 'stripe' WHERE id = $1", new.id)
    assert (await poller.poll(), silent.asked) == (0, [])


@pytest.mark.parametrize(("age", "status"), [(-MOMENT, "PENDING"), (MOMENT, "EXPIRED")])
async def test_what_the_provider_knows_nothing_of_is_over_after_a_day(
    desk: Desk, poller: Poller, age: timedelta, status: str
) -> None:
    new = await pending(desk, FORGOTTEN_AFTER + age)
    await poller.poll()
    assert await desk.status(new) == status


@pytest.mark.parametrize(("age", "status"), [(-MOMENT, "CREATED"), (MOMENT, "EXPIRED")])
async def test_a_contribution_whose_checkout_never_opened_is_over_after_an_hour(
    desk: Desk, poller: Poller, silent: Silent, age: timedelta, status: str
) -> None:
    new = await desk.give()
    await grow_old(desk, new, NEVER_OPENED_AFTER + age)
    await poller.poll()
    assert (await desk.status(new), silent.asked) == (status, [])


async def test_a_payment_that_comes_after_its_end_still_counts(desk: Desk, poller: Poller) -> None:
    new = await desk.give()
    await grow_old(desk, new, NEVER_OPENED_AFTER + MOMENT)
    await poller.poll()
    await desk.take(news(new, PaymentKind.PAID))
    assert (await desk.status(new), await desk.credits(new)) == ("SETTLED", 100)
