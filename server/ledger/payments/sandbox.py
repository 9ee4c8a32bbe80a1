"""The sandbox: a provider on this machine that moves no money, for trying things out and for tests.

Its checkout is a page of this site, where whoever opens it chooses what happens. What was chosen is told as a real
provider tells it: by signed webhooks to this server's own route, over HTTP. It keeps nothing of its own: a payment's
references come from the contribution's id, and what was chosen stands in the news that it has sent.
"""

import asyncio
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final
from urllib.parse import quote
from uuid import UUID

import httpx2
import msgspec
import structlog

from server.domain.errors import Code, Refusal
from server.domain.payments import PaymentKind
from server.ledger.payments.provider import Checkout, Order, PaymentEvent
from server.ledger.payments.signatures import sign, verify
from server.ledger.payments.words import Cents, Currency, Name, PartCents, as_id, no_event
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

SANDBOX: Final = "sandbox"
SIGNATURE_HEADER: Final = "tallylight-signature"
LATER_SECONDS: Final = 5.0
"""How long a payment that comes later is on its way."""
LATER_AT_ONCE_MAX: Final = 1_000
"""Payments on their way; one more is left to the poller, which finds it by the news that it is on its way."""
DELIVERY_TRIES: Final = 3
DELIVERY_TIMEOUT_SECONDS: Final = 10.0
DELIVERY_PAUSE_SECONDS: Final = 0.2

log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What the giver chooses on the checkout page."""

    PAY = "pay"
    FAIL = "fail"
    LATER = "later"
    """The money is on its way, and comes after a few seconds."""
    TWICE = "twice"
    """The same news twice, and then a second payment of the same contribution."""


class _Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the sandbox says of a payment."""

    id: Name
    type: Name
    payment: Name
    charge: Name
    contribution: str
    amount: Cents
    currency: Currency
    due: float | None = None  # of a payment on its way: when it comes, Unix time
    refund: Name | None = None
    refunded: PartCents | None = None


_KINDS: Final[Mapping[str, PaymentKind]] = {
    "payment.pending": PaymentKind.PENDING,
    "payment.paid": PaymentKind.PAID,
    "payment.failed": PaymentKind.FAILED,
    "payment.expired": PaymentKind.EXPIRED,
    "payment.refunded": PaymentKind.REFUNDED,
    "payment.reinstated": PaymentKind.REINSTATED,
}
_TYPES: Final = {kind: word for word, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True)
class Payment:
    """What is paid for at the sandbox."""

    contribution_id: UUID
    amount_cents: int
    currency: str

    @property
    def reference(self) -> str:
        """The sandbox's id of it."""
        return f"sandbox_{self.contribution_id.hex}"


class Sandbox:
    """The provider, and the side of it that sends the webhooks."""

    name: Final = SANDBOX

    def __init__(
        self,
        postgres: Postgres,
        secret: bytes,
        own_url: str,
        *,
        later_seconds: float = LATER_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make it.

        Args:
            postgres: where the news it has sent is looked up.
            secret: of this installation; the key of its signatures is made from it.
            own_url: where this server answers, as itself reaches it, such as ``http://127.0.0.1:8420``.
            later_seconds: see ``LATER_SECONDS``.
            now: Unix time in seconds.
        """
        self._postgres = postgres
        self._secret = hmac.new(secret, b"sandbox webhooks", sha256).hexdigest()
        self._webhook_url = f"{own_url}/webhooks/{SANDBOX}"
        self._later_seconds = later_seconds
        self._now = now
        self._on_their_way: asyncio.Queue[bytes] = asyncio.Queue(LATER_AT_ONCE_MAX)

    async def open_checkout(self, order: Order) -> Checkout:
        """A page of this site, which leads back to where the order says."""
        payment = Payment(order.contribution_id, order.amount_cents, order.currency)
        return Checkout(payment.reference, checkout_path(order.contribution_id, order.return_url))

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent:
        """See `PaymentProvider.read_event`."""
        verify(body, headers.get(SIGNATURE_HEADER), [self._secret], self._now())
        try:
            return _event(msgspec.json.decode(body, type=_Told))
        except (msgspec.DecodeError, RecursionError, LookupError) as error:
            raise no_event(error) from error

    async def look_up(self, reference: str) -> PaymentEvent | None:
        """A payment that was on its way and must have come by now, should its news have been lost with a process."""
        with outages_refused():
            payload = await self._postgres.pool.fetchval(
                "SELECT payload FROM provider_event WHERE provider = $1 AND event_id = $2",
                SANDBOX,
                f"{reference}.{_TYPES[PaymentKind.PENDING]}.1",
            )
        if payload is None:
            return None
        told = msgspec.json.decode(payload, type=_Told)
        if told.due is None or told.due > self._now():
            return None
        return _event(_paid_later(told))

    async def decide(self, payment: Payment, outcome: Outcome) -> None:
        """Carry out what was chosen: send the news of it. Choosing the same again sends the same news.

        Raises:
            Refusal: ``unavailable``: our own route did not take the news; it may be chosen again.
        """
        match outcome:
            case Outcome.PAY:
                await self._deliver(self.body(payment, PaymentKind.PAID))
            case Outcome.FAIL:
                await self._deliver(self.body(payment, PaymentKind.FAILED))
            case Outcome.LATER:
                await self._decide_later(payment)
            case Outcome.TWICE:
                paid = self.body(payment, PaymentKind.PAID)
                for body in (paid, paid, self.body(payment, PaymentKind.PAID, number=2)):
                    await self._deliver(body)

    async def _decide_later(self, payment: Payment) -> None:
        pending = self.pending_body(payment)
        await self._deliver(pending)
        paid = _paid_later(msgspec.json.decode(pending, type=_Told))
        try:
            self._on_their_way.put_nowait(msgspec.json.encode(paid))
        except asyncio.QueueFull:
            log.warning("sandbox_payment_left_to_the_poller", contribution=str(payment.contribution_id))

    def body(self, payment: Payment, kind: PaymentKind, *, number: int = 1, refunded_cents: int | None = None) -> bytes:
        """The news of a payment, as it is sent.

        Args:
            payment: of what.
            kind: what happened to it.
            number: 2 for a second payment of the same contribution; of a refund, which one it is.
            refunded_cents: of a refund, how much went back.
        """
        return msgspec.json.encode(_told(payment, kind, number=number, refunded_cents=refunded_cents))

    def pending_body(self, payment: Payment) -> bytes:
        """The news of a payment that is on its way, and says when it comes."""
        return msgspec.json.encode(_told(payment, PaymentKind.PENDING, due=self._now() + self._later_seconds))

    def sign(self, body: bytes, *, at_seconds: float | None = None) -> str:
        """The signature of news, to be sent as ``SIGNATURE_HEADER``; None is now."""
        return sign(body, self._secret, int(self._now() if at_seconds is None else at_seconds))

    async def run(self) -> None:
        """Let the payments come that are on their way, until cancelled."""
        async with asyncio.TaskGroup() as deliveries:
            while True:
                body = await self._on_their_way.get()
                deliveries.create_task(self._deliver_later(body))

    async def _deliver_later(self, body: bytes) -> None:
        await asyncio.sleep(self._later_seconds)
        try:
            await self._deliver(body)
        except Refusal as refusal:
            log.warning("sandbox_payment_left_to_the_poller", error=repr(refusal.__cause__))

    async def _deliver(self, body: bytes) -> None:
        """Post news to our own route, as a provider would, until it is taken.

        Raises:
            Refusal: ``unavailable``.
        """
        error: httpx2.HTTPError | None = None
        # A proxy of the environment has no business between this machine and itself.
        async with httpx2.AsyncClient(timeout=DELIVERY_TIMEOUT_SECONDS, trust_env=False) as http:
            for attempt in range(DELIVERY_TRIES):
                try:
                    answer = await http.post(self._webhook_url, content=body, headers=self._headers(body))
                    answer.raise_for_status()
                except httpx2.HTTPError as caught:
                    error = caught
                else:
                    return
                await asyncio.sleep(DELIVERY_PAUSE_SECONDS * (attempt + 1))
        log.error("sandbox_webhook_not_taken", url=self._webhook_url, error=repr(error))
        raise Refusal(Code.UNAVAILABLE, "The sandbox was not heard. Try again.", after_seconds=1) from error

    def _headers(self, body: bytes) -> dict[str, str]:
        return {"content-type": "application/json", SIGNATURE_HEADER: self.sign(body)}


def checkout_path(contribution_id: UUID, return_url: str) -> str:
    """Where a contribution is paid for, which then leads back to that path of this site."""
    return f"/checkout/{contribution_id}?return={quote(return_url, safe='/')}"


def _told(
    payment: Payment,
    kind: PaymentKind,
    *,
    number: int = 1,
    due: float | None = None,
    refunded_cents: int | None = None,
) -> _Told:
    is_refund = kind in {PaymentKind.REFUNDED, PaymentKind.REINSTATED}
    charge = payment.contribution_id.hex if is_refund or number == 1 else f"{payment.contribution_id.hex}_{number}"
    word = _TYPES[kind]
    return _Told(
        id=f"{payment.reference}.{word}.{number}",
        type=word,
        payment=payment.reference,
        charge=f"sandbox_charge_{charge}",
        contribution=str(payment.contribution_id),
        amount=payment.amount_cents,
        currency=payment.currency,
        due=due,
        refund=f"sandbox_refund_{payment.contribution_id.hex}_{number}" if is_refund else None,
        refunded=refunded_cents,
    )


def _paid_later(pending: _Told) -> _Told:
    """The news that follows the news of a payment on its way."""
    paid = _TYPES[PaymentKind.PAID]
    return msgspec.structs.replace(pending, id=f"{pending.payment}.{paid}.1", type=paid, due=None)


def _event(told: _Told) -> PaymentEvent:
    kind = _KINDS[told.type]
    if kind is PaymentKind.REFUNDED and (told.refund is None or told.refunded is None):
        raise LookupError("a refund without its id or its amount")
    return PaymentEvent(
        event_id=told.id,
        type=told.type,
        kind=kind,
        reference=told.payment,
        payment_reference=told.charge,
        contribution_id=as_id(told.contribution),
        amount_cents=told.amount,
        currency=told.currency,
        refund_reference=told.refund,
        refunded_cents=told.refunded,
        payload=msgspec.to_builtins(told),
    )
