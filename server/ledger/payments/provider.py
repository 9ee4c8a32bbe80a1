"""The port to whoever takes the money: what we ask a provider, and what it tells us.

A provider moves money and knows nothing of credits; the ledger knows nothing of cards. Between the two there are only
an order, a checkout and events. All amounts are integer cents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from server.domain.payments import PaymentKind

__all__ = ["Checkout", "Order", "PaymentEvent", "PaymentKind", "PaymentProvider"]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be paid.

    Attributes:
        contribution_id: also the provider's idempotency key: the same order never makes a second payment.
        currency: as in the ledger, such as ``USD``.
        description: one line for the giver, such as ``Deep Sea Lab: 60 credits``.
        return_url: where the giver comes back to, a path of this site such as ``/contributions/0193…``.
        expires_at: until when it can be paid; the same each time. None: as long as the provider keeps it open.
    """

    contribution_id: UUID
    amount_cents: int
    currency: str
    description: str
    return_url: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Checkout:
    """A payment that the provider is ready to take.

    Attributes:
        reference: the provider's id of it.
        url: where the giver goes: a path of this site, or an address of the provider's.
    """

    reference: str
    url: str


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """One piece of news, whose sender was checked.

    Attributes:
        event_id: the provider's; news that is repeated has the same one.
        type: the provider's word for it, such as ``checkout.session.completed``.
        kind: what it means; None when it is of no interest here.
        reference: the payment, by `Checkout.reference`; None when the event does not name it.
        payment_reference: the provider's other name of the same payment, which refunds and disputes go by; None when
            the event does not name it.
        contribution_id: what the provider repeats of the order; None when it does not.
        amount_cents: of the whole payment; None where the event does not say.
        currency: as in the ledger, upper case; None where the event does not say.
        refund_reference: REFUNDED: this refund's own id.
        refunded_cents: REFUNDED: this refund's own amount, not the sum of all so far.
        payload: what is written down of what the provider said: nothing that tells who paid.
    """

    event_id: str
    type: str
    kind: PaymentKind | None
    reference: str | None = None
    payment_reference: str | None = None
    contribution_id: UUID | None = None
    amount_cents: int | None = None
    currency: str | None = None
    refund_reference: str | None = None
    refunded_cents: int | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


class PaymentProvider(Protocol):
    """Somebody who takes money. Nothing here is called inside a database transaction."""

    @property
    def name(self) -> str:
        """Its word in addresses (``/webhooks/{name}``) and in the ledger's rows."""

    async def open_checkout(self, order: Order) -> Checkout:
        """Get ready to take this payment; the same order again gives the same checkout.

        Raises:
            Refusal: ``provider_error`` when the provider refused or failed, ``unavailable`` when it cannot be reached;
                either may be tried again with the same order.
        """

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent:
        """Check who sent a webhook, then what it says.

        Args:
            body: the raw bytes; the signature is over these.
            headers: with lower-case names.

        Raises:
            Refusal: ``forbidden`` when the signature is missing, wrong, too old or from the future; ``bad_request``
                when what is signed is no event.
        """

    async def look_up(self, reference: str) -> PaymentEvent | None:
        """Ask for the news of one payment that we may have missed.

        Returns:
            How the payment is now, as an event (the same state gives the same ``event_id``); None when the provider
            knows nothing to tell.

        Raises:
            Refusal: as `open_checkout`.
        """
