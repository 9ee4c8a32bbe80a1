"""The payments of one node: who takes money, and the way of their news into the ledger and out to whoever watches."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final
from uuid import UUID

import structlog

from server.domain.errors import Code, Refusal
from server.domain.events import CreditReason
from server.ledger.accounts import Balance
from server.ledger.credits import Credits
from server.ledger.payments.applying import Applied, apply_event
from server.ledger.payments.provider import PaymentEvent, PaymentProvider
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres

BalanceChanged = Callable[[Balance, CreditReason], None]
"""Told of every balance that this node has changed, after the commit."""

ChannelChanged = Callable[[UUID], None]
"""Told of every channel whose funding, status or credits this node has changed, after the commit."""

log: Final = structlog.get_logger(__name__)


class Payments:
    """The providers and the one way in which their news is applied.

    Attributes:
        providers: all whose news is taken, by name.
        current: the one that takes new payments; None: nobody does, and nothing can be contributed.
    """

    def __init__(
        self,
        postgres: Postgres,
        credits: Credits,
        balance_changed: BalanceChanged,
        *,
        providers: Mapping[str, PaymentProvider],
        current: str | None,
        channel_changed: ChannelChanged | None = None,
    ) -> None:
        self.providers = providers
        self.current = None if current is None else providers[current]
        self._postgres = postgres
        self._credits = credits
        self._balance_changed = balance_changed
        self._channel_changed = channel_changed

    async def receive(self, provider: str, body: bytes, headers: Mapping[str, str]) -> Applied:
        """Take a webhook: check who sent it, apply it, tell what it changed.

        Args:
            provider: the name in the address.
            body: the raw bytes.
            headers: with lower-case names.

        Raises:
            Refusal: ``not_found``, no such provider; ``forbidden`` and ``bad_request`` as `PaymentProvider.read_event`;
                ``unavailable``: the provider sends it again.
        """
        if provider not in self.providers:
            raise Refusal(Code.NOT_FOUND, "There is no such payment provider.")
        try:
            event = self.providers[provider].read_event(body, headers)
        except Refusal as refusal:
            if refusal.code is Code.BAD_REQUEST:  # it was signed: money may have moved, and there is no row of it
                log.exception("payment_event_not_read", provider=provider, problem=refusal.message)
            raise
        return await self.take(provider, event)

    async def take(self, provider: str, event: PaymentEvent) -> Applied:
        """Apply news whose sender is known, once, and tell what it changed.

        Raises:
            Refusal: ``unavailable``.
        """
        return await self.carry_out(provider, event.event_id, partial(apply_event, provider=provider, event=event))

    async def carry_out(
        self, provider: str, event_id: str, work: Callable[[Connection], Awaitable[Applied]]
    ) -> Applied:
        """Run one application in a transaction, then tell what it changed.

        Raises:
            Refusal: ``unavailable``.
        """
        with outages_refused():
            applied = await self._postgres.transact(work)
        for of_event, problem in applied.problems.items():
            say = log.warning if problem.waits else log.error
            say("payment_event_not_applied", provider=provider, event_id=of_event, problem=problem.value)
        log.info(
            "payment_event",
            provider=provider,
            event_id=event_id,
            contribution=None if applied.contribution_id is None else str(applied.contribution_id),
            is_repeat=applied.is_repeat,
        )
        for balance, why in applied.balances:
            self._balance_changed(balance, why)
        if applied.changed is not None and self._channel_changed is not None:
            self._channel_changed(applied.changed)
        await self._credits.publish([balance for balance, _ in applied.balances])
        return applied
