"""Stripe's events as ours.

| event | what it is here |
|---|---|
| ``checkout.session.completed`` | PAID, or PENDING when the money is on its way (``payment_status``) |
| ``checkout.session.async_payment_succeeded``, ``…_failed`` | PAID, FAILED |
| ``checkout.session.expired`` | EXPIRED |
| ``refund.created``, ``refund.updated`` | REFUNDED once its status is ``succeeded``: a refund has an id and an amount of its own, while ``charge.refunded`` has only the sum of all |
| ``refund.failed`` | REINSTATED |
| ``charge.dispute.funds_withdrawn``, ``…_reinstated`` | REFUNDED by the disputed amount, REINSTATED |
| all others | written down, of no interest |

A session names its contribution in ``metadata``. Refunds and disputes name the payment intent alone, which the
session's events have told before them, or will.

Stripe tells who paid, too: name, e-mail, address, card. None of that is kept (`_kept`).
"""  # noqa: E501

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from server.domain.payments import PaymentKind
from server.ledger.payments.provider import PaymentEvent
from server.ledger.payments.words import Cents, Currency, Name, PartCents, as_id, no_event

CONTRIBUTION_KEY: Final = "contribution_id"
"""In a session's metadata."""

_KEPT_OF_EVENT: Final = ("id", "object", "type", "created", "livemode", "api_version")
_KEPT_OF_OBJECT: Final = (
    *("id", "object", "created", "status", "payment_status", "reason"),
    *("amount", "amount_total", "currency", "payment_intent", "charge"),
)
"""All that is written down of what Stripe says: nothing by which a person could be known."""


class _Intent(msgspec.Struct, frozen=True):
    """A payment intent, where it was asked for with its session."""

    id: Name
    status: str = ""


class Session(msgspec.Struct, frozen=True):
    """A Checkout Session."""

    id: Name
    status: str | None = None
    payment_status: str = "unpaid"
    amount_total: Cents | None = None
    currency: Currency | None = None
    payment_intent: Name | _Intent | None = None
    metadata: dict[str, str] | None = None
    url: str | None = None

    @property
    def intent_id(self) -> str | None:
        """The payment's other name; None before there is one."""
        return self.payment_intent.id if isinstance(self.payment_intent, _Intent) else self.payment_intent


class _Refund(msgspec.Struct, frozen=True):
    id: Name
    amount: PartCents
    currency: Currency
    payment_intent: Name | None = None
    status: str | None = None


class _Dispute(msgspec.Struct, frozen=True):
    id: Name
    amount: PartCents
    currency: Currency
    payment_intent: Name | None = None


class _Data(msgspec.Struct, frozen=True):
    object: dict[str, Any]


class _News(msgspec.Struct, frozen=True):
    """What every event has, of any version of theirs."""

    id: Name
    type: Name


class _Event(_News, frozen=True):
    data: _Data


def read(body: bytes) -> PaymentEvent:
    """The news in a webhook whose sender was checked.

    Raises:
        Refusal: ``bad_request``.
    """
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
        news = msgspec.convert(said, _News)
        reader = _READERS.get(news.type)
        if reader is None:
            return PaymentEvent(news.id, news.type, None, payload=_kept(said))
        return reader(msgspec.convert(said, _Event), _kept(said))
    except (msgspec.DecodeError, RecursionError) as error:  # a shape that is wrong is a DecodeError too
        raise no_event(error) from error


def state_of(session: Session) -> PaymentEvent | None:
    """A session that was asked for, as the news that we may have missed; None while it is open."""
    kind = _kind_of(session)
    if kind is None:
        return None
    intent = session.payment_intent
    intent_status = intent.status if isinstance(intent, _Intent) else ""
    told = f"{session.status}.{session.payment_status}.{intent_status}".rstrip(".")
    payload = _kept_of_object(msgspec.to_builtins(session)) | {"payment_intent": session.intent_id}
    return _of_session(f"asked.{session.id}.{told}", "checkout.session", kind, session, payload)


def _kept(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is written down of an event, of whatever shape it is."""
    data = said.get("data")
    subject = data.get("object") if isinstance(data, Mapping) else None
    about = {"data": {"object": _kept_of_object(subject)}} if isinstance(subject, Mapping) else {}
    return _plain(said, _KEPT_OF_EVENT) | about


def _kept_of_object(subject: Mapping[str, Any]) -> dict[str, Any]:
    metadata = subject.get("metadata")
    ours = _plain(metadata, (CONTRIBUTION_KEY,)) if isinstance(metadata, Mapping) else {}
    return _plain(subject, _KEPT_OF_OBJECT) | ({"metadata": ours} if ours else {})


def _plain(said: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """These fields, but for those that hold more than one value."""
    return {name: said[name] for name in names if isinstance(said.get(name), str | int)}


def _kind_of(session: Session) -> PaymentKind | None:
    if session.status == "expired":
        return PaymentKind.EXPIRED
    if session.status != "complete":
        return None
    if session.payment_status != "unpaid":
        return PaymentKind.PAID
    # A payment that failed later leaves its session complete and unpaid for ever; its intent says so.
    intent = session.payment_intent
    has_failed = isinstance(intent, _Intent) and intent.status in {"requires_payment_method", "canceled"}
    return PaymentKind.FAILED if has_failed else PaymentKind.PENDING


def _of_session(
    event_id: str, word: str, kind: PaymentKind, session: Session, payload: Mapping[str, Any]
) -> PaymentEvent:
    return PaymentEvent(
        event_id=event_id,
        type=word,
        kind=kind,
        reference=session.id,
        payment_reference=session.intent_id,
        contribution_id=as_id((session.metadata or {}).get(CONTRIBUTION_KEY)),
        amount_cents=session.amount_total,
        currency=None if session.currency is None else session.currency.upper(),
        payload=payload,
    )


def _session_is(kind: PaymentKind) -> "_Reader":
    def read_session(event: _Event, payload: Mapping[str, Any]) -> PaymentEvent:
        return _of_session(event.id, event.type, kind, msgspec.convert(event.data.object, Session), payload)

    return read_session


def _completed(event: _Event, payload: Mapping[str, Any]) -> PaymentEvent:
    session = msgspec.convert(event.data.object, Session)
    kind = PaymentKind.PENDING if session.payment_status == "unpaid" else PaymentKind.PAID
    return _of_session(event.id, event.type, kind, session, payload)


def _refund(event: _Event, payload: Mapping[str, Any]) -> PaymentEvent:
    refund = msgspec.convert(event.data.object, _Refund)
    if event.type == "refund.failed":
        return _went_back(event, PaymentKind.REINSTATED, refund, payload)
    return _went_back(event, PaymentKind.REFUNDED if refund.status == "succeeded" else None, refund, payload)


def _dispute_is(kind: PaymentKind) -> "_Reader":
    def read_dispute(event: _Event, payload: Mapping[str, Any]) -> PaymentEvent:
        return _went_back(event, kind, msgspec.convert(event.data.object, _Dispute), payload)

    return read_dispute


def _went_back(
    event: _Event, kind: PaymentKind | None, part: _Refund | _Dispute, payload: Mapping[str, Any]
) -> PaymentEvent:
    return PaymentEvent(
        event_id=event.id,
        type=event.type,
        kind=kind,
        payment_reference=part.payment_intent,
        currency=part.currency.upper(),
        refund_reference=part.id,
        refunded_cents=part.amount,
        payload=payload,
    )


_Reader = Callable[[_Event, Mapping[str, Any]], PaymentEvent]

_READERS: Final[Mapping[str, _Reader]] = {
    "checkout.session.completed": _completed,
    "checkout.session.async_payment_succeeded": _session_is(PaymentKind.PAID),
    "checkout.session.async_payment_failed": _session_is(PaymentKind.FAILED),
    "checkout.session.expired": _session_is(PaymentKind.EXPIRED),
    "refund.created": _refund,
    "refund.updated": _refund,
    "refund.failed": _refund,
    "charge.dispute.funds_withdrawn": _dispute_is(PaymentKind.REFUNDED),
    "charge.dispute.funds_reinstated": _dispute_is(PaymentKind.REINSTATED),
}
