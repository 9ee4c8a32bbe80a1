"""The providers that the configuration asks for."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from server.ledger.payments.options import PaymentOptions, Taker
from server.ledger.payments.provider import PaymentProvider
from server.ledger.payments.sandbox import Sandbox
from server.storage.postgres import Postgres


def make_sandbox(options: PaymentOptions, postgres: Postgres, *, secret: bytes, own_url: str | None) -> Sandbox | None:
    """The sandbox, where it takes the payments.

    Args:
        options: see `PaymentOptions`.
        postgres: this node's.
        secret: of this installation.
        own_url: where this server answers, as itself reaches it; None: nobody knows.

    Raises:
        ValueError: it is asked for, and the own address is not known.
    """
    if options.taker is not Taker.SANDBOX:
        return None
    if own_url is None:
        raise ValueError("the sandbox posts its webhooks to this server: its own address is needed")
    return Sandbox(postgres, secret, own_url)


def make_providers(
    options: PaymentOptions, sandbox: Sandbox | None, at_end: AsyncExitStack
) -> Mapping[str, PaymentProvider]:
    """All providers whose news is taken, by name; what they hold is given back at the end."""
    providers: dict[str, PaymentProvider] = {}
    if sandbox is not None:
        providers[sandbox.name] = sandbox
    if options.stripe is not None:
        # Its library takes a third of a second and 20 MiB, which only those pay who use it.
        from server.ledger.payments.stripe_provider import Stripe

        stripe = Stripe(options.stripe)
        at_end.push_async_callback(stripe.aclose)
        providers[stripe.name] = stripe
    return providers
