"""What every provider does, whoever it is: the sandbox, and Stripe against a server that speaks its HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

import pytest

from server.domain.errors import Code, Refusal
from server.domain.payments import PaymentKind
from server.ledger.payments.options import StripeOptions
from server.ledger.payments.provider import Checkout, Order, PaymentEvent, PaymentProvider
from server.ledger.payments.sandbox import LATER_SECONDS, SIGNATURE_HEADER, Payment, Sandbox
from server.ledger.payments.stripe_provider import Stripe
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.ledger.payments.fake_stripe import KEY, SECRET, FakeStripe, fake_stripe, signed, told
from tests.ledger.payments.news import Desk

Webhook = tuple[bytes, Mapping[str, str]]


@dataclass
class Bench:
    """A provider, and the hands to make it tell something.

    Attributes:
        pay: lets this order be paid; returns the webhook that says so.
        lose: lets this order be paid, and its webhook be lost.
    """

    provider: PaymentProvider
    pay: Callable[[Order, Checkout], Webhook]
    lose: Callable[[Order, Checkout], Awaitable[None]]


def sandbox_bench(postgres: Postgres, desk: Desk) -> Bench:
    now = [1_795_000_000.0]
    sandbox = Sandbox(postgres, b"a secret of the tests", "http://127.0.0.1:1", now=lambda: now[0])

    def pay(order: Order, _: Checkout) -> Webhook:
        body = sandbox.body(Payment(order.contribution_id, order.amount_cents, order.currency), PaymentKind.PAID)
        return body, {SIGNATURE_HEADER: sandbox.sign(body)}

    async def lose(order: Order, _: Checkout) -> None:
        body = sandbox.pending_body(Payment(order.contribution_id, order.amount_cents, order.currency))
        await desk.take(sandbox.read_event(body, {SIGNATURE_HEADER: sandbox.sign(body)}), sandbox.name)
        assert await sandbox.look_up(f"sandbox_{order.contribution_id.hex}") is None  # it is on its way
        now[0] += LATER_SECONDS

    return Bench(sandbox, pay, lose)


def stripe_bench(account: FakeStripe, provider: Stripe) -> Bench:
    def pay(_: Order, checkout: Checkout) -> Webhook:
        body = told("checkout.session.completed", account.move(checkout.reference, "complete", "paid"))
        return body, signed(body)

    async def lose(_: Order, checkout: Checkout) -> None:
        account.move(checkout.reference, "complete", "paid")

    return Bench(provider, pay, lose)


@pytest.fixture(params=["sandbox", "stripe"])
async def bench(request: pytest.FixtureRequest, postgres: Postgres, desk: Desk) -> AsyncIterator[Bench]:
    if request.param == "sandbox":
        yield sandbox_bench(postgres, desk)
        return
    async with fake_stripe() as account:
        provider = Stripe(StripeOptions(KEY, (SECRET,), account.url, "https://chat.example"))
        yield stripe_bench(account, provider)
        await provider.aclose()


def order() -> Order:
    return Order(new_id(), 1_250, "USD", "Deep Sea Lab: 125 credits", "/contributions/1")


def assert_paid(event: PaymentEvent, asked: Order, checkout: Checkout) -> None:
    assert (event.kind, event.reference, event.contribution_id) == (
        PaymentKind.PAID,
        checkout.reference,
        asked.contribution_id,
    )
    assert (event.amount_cents, event.currency) == (asked.amount_cents, asked.currency)
    assert event.payment_reference


async def test_the_same_order_has_one_checkout_and_another_has_another(bench: Bench) -> None:
    asked = order()
    checkout = await bench.provider.open_checkout(asked)
    assert await bench.provider.open_checkout(asked) == checkout
    assert (await bench.provider.open_checkout(order())).reference != checkout.reference


async def test_a_payment_is_told_with_all_that_the_ledger_checks(bench: Bench) -> None:
    asked = order()
    checkout = await bench.provider.open_checkout(asked)
    body, headers = bench.pay(asked, checkout)
    event = bench.provider.read_event(body, headers)
    assert_paid(event, asked, checkout)
    assert event == bench.provider.read_event(body, headers)


async def test_nothing_is_believed_without_its_signature(bench: Bench) -> None:
    asked = order()
    body, headers = bench.pay(asked, await bench.provider.open_checkout(asked))
    for wrong_body, wrong_headers in ((body, {}), (body + b" ", headers), (body, dict.fromkeys(headers, "t=1,v1=00"))):
        with pytest.raises(Refusal) as caught:
            bench.provider.read_event(wrong_body, wrong_headers)
        assert caught.value.code is Code.FORBIDDEN


async def test_a_payment_whose_news_was_lost_is_looked_up(bench: Bench) -> None:
    asked = order()
    checkout = await bench.provider.open_checkout(asked)
    assert await bench.provider.look_up(checkout.reference) is None
    await bench.lose(asked, checkout)
    event = await bench.provider.look_up(checkout.reference)
    assert event is not None
    assert_paid(event, asked, checkout)
    again = await bench.provider.look_up(checkout.reference)
    assert again is not None
    assert again.event_id == event.event_id


async def test_of_an_unknown_payment_nothing_is_told(bench: Bench) -> None:
    assert await bench.provider.look_up("of-nobody") is None
