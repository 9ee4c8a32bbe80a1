"""Stripe: Checkout Sessions, its signed webhooks, and a look at a session where no webhook came."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
import stripe
import structlog

from server.domain.errors import Code, Refusal
from server.ledger.payments import stripe_events
from server.ledger.payments.options import StripeOptions
from server.ledger.payments.provider import Checkout, Order, PaymentEvent
from server.ledger.payments.signatures import verify
from server.ledger.payments.stripe_http import RETRIES_MAX, StripeHttp

STRIPE: Final = "stripe"
SIGNATURE_HEADER: Final = "stripe-signature"
_UNREACHABLE: Final = (stripe.APIConnectionError, stripe.RateLimitError)

_T = TypeVar("_T")

log = structlog.get_logger(__name__)


class Stripe:
    """The provider."""

    name: Final = STRIPE

    def __init__(self, options: StripeOptions, *, now: Callable[[], float] = time.time) -> None:
        """Make it; nothing is connected before it is used.

        Args:
            options: see `StripeOptions`.
            now: Unix time in seconds.
        """
        self._options = options
        self._now = now
        self._http = StripeHttp()
        self._client = stripe.StripeClient(
            options.secret_key,
            http_client=self._http,
            max_network_retries=RETRIES_MAX,
            base_addresses={"api": options.api_url} if options.api_url else None,
        )

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._http.close_async()

    async def open_checkout(self, order: Order) -> Checkout:
        """See `PaymentProvider.open_checkout`; Stripe remembers the order's id for a day."""
        create = self._client.v1.checkout.sessions.create_async
        options: Any = {"idempotency_key": str(order.contribution_id)}
        made = await _ask(create(self._session_of(order), options))
        session = _session(made)
        if session.url is None:  # the same order again, after its session was paid or has expired
            raise Refusal(Code.PROVIDER_ERROR, "This payment cannot be opened any more.")
        return Checkout(session.id, session.url)

    def _session_of(self, order: Order) -> Any:
        """What Stripe is asked to make. The same for the same order: it refuses another content under the same key."""
        back = f"{self._options.public_url}{order.return_url}"
        metadata = {stripe_events.CONTRIBUTION_KEY: str(order.contribution_id)}
        asked: dict[str, Any] = {
            "mode": "payment",
            "client_reference_id": str(order.contribution_id),
            "metadata": metadata,
            "payment_intent_data": {"metadata": metadata},
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": order.currency.lower(),
                        "unit_amount": order.amount_cents,
                        "product_data": {"name": order.description},
                    },
                }
            ],
            "success_url": back,
            "cancel_url": back,
        }
        if order.expires_at is not None:
            asked["expires_at"] = int(order.expires_at.timestamp())
        return asked

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent:
        """See `PaymentProvider.read_event`."""
        verify(body, headers.get(SIGNATURE_HEADER), self._options.webhook_secrets, self._now())
        return stripe_events.read(body)

    async def look_up(self, reference: str) -> PaymentEvent | None:
        """See `PaymentProvider.look_up`."""
        retrieve = self._client.v1.checkout.sessions.retrieve_async
        try:
            found = await _ask(retrieve(reference, {"expand": ["payment_intent"]}))
        except Refusal as refusal:
            if getattr(refusal.__cause__, "http_status", None) == 404:
                return None
            raise
        return stripe_events.state_of(_session(found))


async def _ask(question: Awaitable[_T]) -> _T:
    """Await an answer of Stripe's; its errors become ours. What they say may quote the key, so only codes are logged.

    Raises:
        Refusal: ``unavailable`` or ``provider_error``.
    """
    try:
        return await question
    except stripe.StripeError as error:
        log.warning(
            "stripe_refused",
            error=type(error).__name__,
            status=error.http_status,
            code=error.code,
            request_id=error.request_id,
        )
        if isinstance(error, _UNREACHABLE):
            raise Refusal(Code.UNAVAILABLE, "The payment provider does not answer.", after_seconds=5) from error
        raise Refusal(Code.PROVIDER_ERROR, "The payment provider refused.") from error


def _session(found: stripe.StripeObject) -> stripe_events.Session:
    """An answer of Stripe's, read as strictly as its webhooks.

    Raises:
        Refusal: ``provider_error``.
    """
    try:
        return msgspec.convert(found.to_dict(), stripe_events.Session)
    except msgspec.ValidationError as error:
        raise Refusal(Code.PROVIDER_ERROR, "The payment provider's answer cannot be read.") from error
