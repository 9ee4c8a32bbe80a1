"""A payment provider that takes no money: it keeps what it was asked, and fails when a test says so."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from server.domain.errors import Code, Refusal
from server.ledger.payments.provider import Checkout, Order, PaymentEvent


@dataclass
class PaperProvider:
    """Opens checkouts on paper.

    Attributes:
        name: its word in addresses and rows.
        site_url: before the path of each checkout; empty: they are on our own site.
        orders: every one it was asked for, repetitions too.
        failures: what comes of the next ones, in this order; then it works.
        may_answer: checkouts wait for it.
    """

    name: str = "sandbox"
    site_url: str = ""
    orders: list[Order] = field(default_factory=list)
    failures: list[Refusal] = field(default_factory=list)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def open_checkout(self, order: Order) -> Checkout:
        """The same for the same order."""
        self.orders.append(order)
        await self.may_answer.wait()
        if self.failures:
            raise self.failures.pop(0)
        return Checkout(f"paper-{order.contribution_id}", f"{self.site_url}/checkout/{order.contribution_id}")

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> PaymentEvent:
        """Nothing comes on paper.

        Raises:
            Refusal: always.
        """
        raise Refusal(Code.FORBIDDEN, f"No signature on {len(body)} bytes, {len(headers)} headers.")

    async def look_up(self, reference: str) -> PaymentEvent | None:
        """Nothing is known of any payment."""
        assert reference
        return None
