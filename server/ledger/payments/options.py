"""Who takes payments, and what that needs to know; apart from the providers, so that reading it loads no library."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Taker(StrEnum):
    """Who takes new payments."""

    SANDBOX = "sandbox"
    STRIPE = "stripe"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StripeOptions:
    """How Stripe is reached.

    Attributes:
        secret_key: ``sk_live_…``, ``sk_test_…``, or a restricted key that may read and write Checkout Sessions and read
            payment intents.
        webhook_secrets: ``whsec_…``; two while they are changed.
        api_url: where its API is, without a path; None: Stripe's own.
        public_url: our own address, which givers come back to.
    """

    secret_key: str = field(repr=False)
    webhook_secrets: Sequence[str] = field(repr=False)
    api_url: str | None
    public_url: str


@dataclass(frozen=True, slots=True)
class PaymentOptions:
    """Who takes payments.

    Attributes:
        taker: of new ones.
        stripe: whose news is taken as long as it is configured, whoever takes new payments: refunds come late.
    """

    taker: Taker = Taker.NONE
    stripe: StripeOptions | None = None
