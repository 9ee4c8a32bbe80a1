"""Stripe's webhooks as news, from the signed bytes to the ledger."""

import json
import time
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any
from uuid import UUID

import msgspec
import pytest

from server.domain.errors import Code, Refusal
from server.domain.payments import EventProblem, PaymentKind
from server.ledger.contributions import NewContribution
from server.ledger.payments.options import StripeOptions
from server.ledger.payments.provider import PaymentEvent
from server.ledger.payments.stripe_events import Session, _kept, state_of
from server.ledger.payments.stripe_provider import Stripe
from tests.ledger.payments.fake_stripe import KEY, SECRET, Json, refunded, signed, told
from tests.ledger.payments.news import Desk

CONTRIBUTION = UUID("019ab5f2-0000-7000-8000-000000000000")
SESSION = "cs_test_1"
OLD_SECRET = "whsec_that_is_being_changed"


@pytest.fixture
async def provider() -> AsyncIterator[Stripe]:
    made = Stripe(StripeOptions(KEY, (SECRET, OLD_SECRET), "http://127.0.0.1:1", "https://chat.example"))
    yield made
    await made.aclose()


def session(contribution_id: UUID = CONTRIBUTION, **changes: Any) -> Json:
    return {
        "id": SESSION,
        "object": "checkout.session",
        "status": "complete",
        "payment_status": "paid",
        "amount_total": 1_000,
        "currency": "usd",
        "payment_intent": f"pi_of_{SESSION}",
        "metadata": {"contribution_id": str(contribution_id)},
    } | changes


def dispute(cents: int) -> Json:
    return {"id": "du_1", "object": "dispute", "amount": cents, "currency": "usd", "payment_intent": f"pi_of_{SESSION}"}


def read(provider: Stripe, word: str, subject: Json, event_id: str = "evt_1") -> PaymentEvent:
    body = told(word, subject, event_id)
    return provider.read_event(body, signed(body))


@pytest.mark.parametrize(
    ("word", "payment_status", "kind"),
    [
        ("checkout.session.completed", "paid", PaymentKind.PAID),
        ("checkout.session.completed", "unpaid", PaymentKind.PENDING),
        ("checkout.session.async_payment_succeeded", "paid", PaymentKind.PAID),
        ("checkout.session.async_payment_failed", "unpaid", PaymentKind.FAILED),
        ("checkout.session.expired", "unpaid", PaymentKind.EXPIRED),
    ],
)
def test_what_sessions_tell(provider: Stripe, word: str, payment_status: str, kind: PaymentKind) -> None:
    event = read(provider, word, session(payment_status=payment_status))
    assert (event.event_id, event.type, event.kind) == ("evt_1", word, kind)
    assert (event.reference, event.payment_reference) == (SESSION, f"pi_of_{SESSION}")
    assert (event.contribution_id, event.amount_cents, event.currency) == (CONTRIBUTION, 1_000, "USD")


@pytest.mark.parametrize(
    ("word", "subject", "kind"),
    [
        ("refund.created", refunded(SESSION, 300), PaymentKind.REFUNDED),
        ("refund.created", refunded(SESSION, 300, status="pending"), None),
        ("refund.updated", refunded(SESSION, 300), PaymentKind.REFUNDED),
        ("refund.failed", refunded(SESSION, 300, status="failed"), PaymentKind.REINSTATED),
        ("charge.dispute.funds_withdrawn", dispute(300), PaymentKind.REFUNDED),
        ("charge.dispute.funds_reinstated", dispute(300), PaymentKind.REINSTATED),
    ],
)
def test_what_refunds_and_disputes_tell(provider: Stripe, word: str, subject: Json, kind: PaymentKind | None) -> None:
    event = read(provider, word, subject)
    assert (event.kind, event.refund_reference, event.refunded_cents) == (kind, subject["id"], 300)
    assert (event.reference, event.payment_reference, event.currency) == (None, f"pi_of_{SESSION}", "USD")


@pytest.mark.parametrize("word", ["charge.refunded", "charge.dispute.created", "payment_intent.succeeded", "v2.new"])
def test_other_news_is_of_no_interest(provider: Stripe, word: str) -> None:
    assert read(provider, word, {"id": "whatever", "amount": "none"}).kind is None


@pytest.mark.parametrize("rest", [{}, {"data": None}, {"data": {}}, {"object": "v2.core.event", "related_object": {}}])
def test_other_news_may_have_any_shape(provider: Stripe, rest: Json) -> None:
    body = json.dumps({"id": "evt_1", "type": "v1.billing.meter.no_meter_found"} | rest).encode()
    event = provider.read_event(body, signed(body))
    assert (event.event_id, event.kind) == ("evt_1", None)


def test_a_session_of_another_product_names_no_contribution(provider: Stripe) -> None:
    for metadata in (None, {}, {"contribution_id": "ours"}):
        assert read(provider, "checkout.session.completed", session(metadata=metadata)).contribution_id is None


def test_signatures_of_both_secrets_are_good_and_no_others(provider: Stripe) -> None:
    body = told("checkout.session.completed", session())
    for secret in (SECRET, OLD_SECRET):
        assert provider.read_event(body, signed(body, secret)).kind is PaymentKind.PAID
    now = time.time()
    for headers in (
        {},
        signed(body, "whsec_of_somebody_else"),
        signed(body, at_seconds=now - 360),
        signed(body, at_seconds=now + 360),
        signed(body + b" "),
    ):
        with pytest.raises(Refusal) as caught:
            provider.read_event(body, headers)
        assert caught.value.code is Code.FORBIDDEN


@pytest.mark.parametrize(
    "subject",
    [
        {},
        session(id=None),
        session(amount_total=10.5),
        session(amount_total=-1),
        session(currency="dollars"),
        session(id="cs_\x00"),
    ],
)
def test_a_session_that_cannot_be_read_is_refused(provider: Stripe, subject: Json) -> None:
    with pytest.raises(Refusal) as caught:
        read(provider, "checkout.session.completed", subject)
    assert caught.value.code is Code.BAD_REQUEST


async def given(desk: Desk) -> NewContribution:
    new = await desk.give(1_000)
    await desk.books.postgres.pool.execute("UPDATE contribution SET provider = 'stripe' WHERE id = $1", new.id)
    return new


async def test_a_payment_with_its_refund_and_dispute_goes_through_the_ledger(desk: Desk, provider: Stripe) -> None:
    new = await given(desk)
    story = (
        ("refund.created", refunded(SESSION, 300)),
        ("checkout.session.completed", session(new.id, payment_status="unpaid")),
        ("checkout.session.async_payment_succeeded", session(new.id)),
        ("refund.updated", refunded(SESSION, 300)),
        ("charge.dispute.funds_withdrawn", dispute(500)),
        ("charge.dispute.funds_reinstated", dispute(500)),
    )
    for number, (word, subject) in enumerate(story):
        await desk.take(read(provider, word, subject, f"evt_{number}"), "stripe")
    # The refund overtook everything: nothing named its payment when it came.
    assert (await desk.credits(new), await desk.amounts(new)) == (20, [1_000, -300, -500])
    assert await desk.unapplied() == {"evt_5": EventProblem.REINSTATED}
    await desk.books.assert_clean()


async def test_what_postgres_cannot_keep_is_kept_otherwise(desk: Desk, provider: Stripe) -> None:
    new = await given(desk)
    await desk.take(read(provider, "checkout.session.completed", session(new.id, reason="a\x00b")), "stripe")
    payload = json.loads(await desk.books.postgres.pool.fetchval("SELECT payload FROM provider_event"))
    assert payload["data"]["object"]["reason"] == "a\ufffdb"
    assert await desk.credits(new) == 100


WHO_PAID: Json = {
    "customer_details": {
        "email": "mara@example.org",
        "name": "Mara K",
        "phone": "+49 30 1",
        "address": {"city": "Ulm"},
    },
    "customer_email": "mara@example.org",
    "customer": {"id": "cus_mara", "name": "Mara K"},
    "payment_intent": {"id": f"pi_of_{SESSION}", "status": "succeeded", "receipt_email": "mara@example.org"},
    "url": "https://checkout.example/mara",
    "description": "For Mara",
    "payment_method_details": {"card": {"last4": "4242"}},
}


@pytest.mark.parametrize(
    "word", ["checkout.session.completed", "checkout.session.expired", "refund.created", "charge.succeeded"]
)
async def test_who_has_paid_is_written_down_nowhere(desk: Desk, provider: Stripe, word: str) -> None:
    new = await given(desk)
    subject = session(new.id, amount=300) | WHO_PAID
    subject["metadata"] |= {"note": "mara"}
    if word == "refund.created":
        subject["payment_intent"] = f"pi_of_{SESSION}"
    body = json.dumps({**json.loads(told(word, subject)), "account": "Mara", "request": {"id": "mara"}}).encode()
    await desk.take(provider.read_event(body, signed(body)), "stripe")
    [row] = await desk.books.postgres.pool.fetch("SELECT payload, provider_event::text AS shown FROM provider_event")
    for secret in ("mara", "Mara", "Ulm", "4242", "+49"):
        assert secret not in row["shown"]
    kept = json.loads(row["payload"])
    assert (kept["id"], kept["type"]) == ("evt_1", word)
    assert kept["data"]["object"]["currency"] == "usd"
    assert kept["data"]["object"]["metadata"] == {"contribution_id": str(new.id)}


def test_a_session_that_was_asked_for_is_written_down_without_its_address() -> None:
    asked = msgspec.convert(session() | {"url": "https://checkout.example/mara"}, Session)
    event = state_of(asked)
    assert event is not None
    assert event.payload == {
        "id": SESSION,
        "status": "complete",
        "payment_status": "paid",
        "amount_total": 1_000,
        "currency": "usd",
        "payment_intent": f"pi_of_{SESSION}",
        "metadata": {"contribution_id": str(CONTRIBUTION)},
    }


async def test_what_was_written_down_before_is_made_the_same(desk: Desk) -> None:
    """By the migration, on rows as they used to be written."""
    redact = import_module("server.storage.migrations.versions.0017_less_about_people").REDACT
    words = ("checkout.session.completed", "v1.of.no.data", "v1.of.a.list")
    told_once = json.loads(told(words[0], session() | WHO_PAID, words[0]))
    payloads = (told_once, {"id": "evt_2", "data": None, "who": "mara"}, {"id": "evt_3", "data": {"object": ["mara"]}})
    for word, payload in zip(words, payloads, strict=True):
        await desk.take(PaymentEvent(word, word, None, payload=payload), "stripe")
    await desk.take(PaymentEvent("evt_4", "payment.paid", None, payload={"due": 1.5}), "sandbox")
    for _ in range(2):
        await desk.books.postgres.pool.execute(redact)
        rows = await desk.books.postgres.pool.fetch("SELECT event_id, payload FROM provider_event")
        kept = {row["event_id"]: json.loads(row["payload"]) for row in rows}
        assert kept == {
            words[0]: _kept(told_once),
            words[1]: {"id": "evt_2"},
            words[2]: {"id": "evt_3"},
            "evt_4": {"due": 1.5},
        }
