"""The provider against a server that speaks Stripe's HTTP: what it asks for, and what becomes of each answer."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from server.domain.errors import Code, Refusal
from server.domain.payments import PaymentKind
from server.ledger.payments import stripe_http
from server.ledger.payments.options import StripeOptions
from server.ledger.payments.provider import Order
from server.ledger.payments.stripe_provider import Stripe
from server.storage.ids import new_id
from tests.ledger.payments.fake_stripe import KEY, SECRET, FakeStripe, fake_stripe

SITE = "https://chat.example"


@pytest.fixture
async def account() -> AsyncIterator[FakeStripe]:
    async with fake_stripe() as running:
        yield running


@pytest.fixture
async def provider(account: FakeStripe) -> AsyncIterator[Stripe]:
    made = Stripe(StripeOptions(KEY, (SECRET,), account.url, SITE))
    yield made
    await made.aclose()


def order(contribution_id: UUID | None = None, cents: int = 1_250) -> Order:
    return Order(
        contribution_id=contribution_id or new_id(),
        amount_cents=cents,
        currency="USD",
        description="Deep Sea Lab: 125 credits — ½ off & more",
        return_url="/contributions/1",
        expires_at=datetime(2026, 11, 29, 12, 0, tzinfo=UTC),
    )


async def test_a_session_is_asked_for_in_stripes_form(account: FakeStripe, provider: Stripe) -> None:
    asked = order()
    checkout = await provider.open_checkout(asked)
    assert checkout.reference == "cs_test_1"
    assert checkout.url == "https://checkout.stripe.example/c/pay/cs_test_1"
    name = str(asked.contribution_id)
    assert account.asked == [
        {
            "mode": "payment",
            "client_reference_id": name,
            "metadata[contribution_id]": name,
            "payment_intent_data[metadata][contribution_id]": name,
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": "usd",
            "line_items[0][price_data][unit_amount]": "1250",
            "line_items[0][price_data][product_data][name]": asked.description,
            "success_url": f"{SITE}/contributions/1",
            "cancel_url": f"{SITE}/contributions/1",
            "expires_at": "1795953600",
        }
    ]


async def test_the_same_order_makes_one_session(account: FakeStripe, provider: Stripe) -> None:
    asked = order()
    assert await provider.open_checkout(asked) == await provider.open_checkout(asked)
    assert len(account.sessions) == 1


async def test_another_order_under_the_same_id_is_refused(provider: Stripe) -> None:
    asked = order()
    await provider.open_checkout(asked)
    with pytest.raises(Refusal) as caught:
        await provider.open_checkout(order(asked.contribution_id, cents=1))
    assert caught.value.code is Code.PROVIDER_ERROR


@pytest.mark.parametrize("failures", [[500], [0], [503, 0]])
async def test_a_failure_that_passes_is_not_seen(account: FakeStripe, provider: Stripe, failures: list[int]) -> None:
    account.failures = list(failures)
    await provider.open_checkout(order())
    assert (account.requests, len(account.sessions)) == (len(failures) + 1, 1)


@pytest.mark.parametrize(("status", "code"), [(500, Code.PROVIDER_ERROR), (0, Code.UNAVAILABLE)])
async def test_tries_come_to_an_end(account: FakeStripe, provider: Stripe, status: int, code: Code) -> None:
    account.failures = [status] * 10
    with pytest.raises(Refusal) as caught:
        await provider.open_checkout(order())
    assert (caught.value.code, account.requests) == (code, stripe_http.RETRIES_MAX + 1)


@pytest.mark.parametrize(
    ("status", "code"), [(400, Code.PROVIDER_ERROR), (402, Code.PROVIDER_ERROR), (429, Code.UNAVAILABLE)]
)
async def test_a_refusal_of_stripes_is_not_tried_again(
    account: FakeStripe, provider: Stripe, status: int, code: Code
) -> None:
    account.failures = [status]
    with pytest.raises(Refusal) as caught:
        await provider.open_checkout(order())
    assert (caught.value.code, account.requests) == (code, 1)


async def test_the_key_shows_in_no_message_and_no_log(account: FakeStripe, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = Stripe(StripeOptions("sk_test_wrong_and_secret", (SECRET,), account.url, SITE))
    with pytest.raises(Refusal) as caught:
        await wrong.open_checkout(order())
    await wrong.aclose()
    printed = capsys.readouterr()
    assert caught.value.code is Code.PROVIDER_ERROR
    for text in (caught.value.message, printed.out, printed.err):
        assert "wrong_and_secret" not in text
        assert KEY not in text


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (("expired", "unpaid", ""), PaymentKind.EXPIRED),
        (("complete", "paid", "succeeded"), PaymentKind.PAID),
        (("complete", "unpaid", "processing"), PaymentKind.PENDING),
        (("complete", "unpaid", "requires_payment_method"), PaymentKind.FAILED),
        (("complete", "unpaid", "canceled"), PaymentKind.FAILED),
    ],
)
async def test_a_session_is_looked_up(
    account: FakeStripe, provider: Stripe, state: tuple[str, str, str], kind: PaymentKind
) -> None:
    asked = order()
    reference = (await provider.open_checkout(asked)).reference
    account.move(reference, *state)
    event = await provider.look_up(reference)
    assert event is not None
    assert (event.kind, event.reference, event.contribution_id) == (kind, reference, asked.contribution_id)
    assert (event.amount_cents, event.currency) == (1_250, "USD")
    assert event.payment_reference == (f"pi_of_{reference}" if state[0] == "complete" else None)
    assert await provider.look_up(reference) == event
    assert "checkout.stripe.example" not in str(event.payload)


async def test_a_session_that_is_open_or_unknown_tells_nothing(provider: Stripe) -> None:
    reference = (await provider.open_checkout(order())).reference
    assert await provider.look_up(reference) is None
    assert await provider.look_up("cs_test_unknown") is None


async def test_a_provider_that_cannot_be_reached_is_unavailable() -> None:
    away = Stripe(StripeOptions(KEY, (SECRET,), "http://127.0.0.1:1", SITE))
    with pytest.raises(Refusal) as caught:
        await away.look_up("cs_test_1")
    await away.aclose()
    assert caught.value.code is Code.UNAVAILABLE
