"""News that came too early: a webhook that was faster than our own writing down of the payment's reference, or a refund
that overtook its payment. It waits in its row; a sweep applies it when the contribution is known."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from server.domain.errors import Refusal
from server.domain.payments import EventProblem
from server.domain.transactions import ContributionStatus
from server.ledger.payments.applying import apply_waiting
from server.ledger.payments.payments import Payments
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

PERIOD_SECONDS: Final = 5.0
SWEPT_AT_ONCE_MAX: Final = 100
"""Events of one round; the rest waits for the next one."""
SWEPT_FOR: Final = timedelta(days=30)
"""How long an event is looked at again. One account of a provider may have other products: what is not ours by then
never will be, and stays in its row."""

_DUE: Final = """
    SELECT provider, event_id FROM provider_event AS event
     WHERE applied_at IS NULL AND problem = ANY($1) AND received_at > clock_timestamp() - $2::interval
       AND EXISTS (
           SELECT FROM contribution
            WHERE provider = event.provider
              AND (provider_reference = event.provider_reference OR payment_reference = event.payment_reference
                   OR id = event.contribution_id)
              AND (event.problem = $3 OR status = ANY($4)))
     ORDER BY received_at LIMIT $5
"""
_WAITING: Final = [problem.value for problem in EventProblem if problem.waits]
_PAID: Final = [ContributionStatus.SETTLED.value, ContributionStatus.REVERSED.value]

log = structlog.get_logger(__name__)


class Sweeper:
    """Looks again at what waits; any number of nodes may do it at once."""

    def __init__(self, postgres: Postgres, payments: Payments) -> None:
        self._postgres = postgres
        self._payments = payments

    async def sweep(self) -> int:
        """Apply what can be applied by now; returns how many events were tried.

        Raises:
            Refusal: ``unavailable``.
        """
        with outages_refused():
            rows = await self._postgres.pool.fetch(
                _DUE, _WAITING, SWEPT_FOR, EventProblem.UNKNOWN_REFERENCE, _PAID, SWEPT_AT_ONCE_MAX
            )
        for row in rows:
            provider, event_id = row["provider"], row["event_id"]
            work = partial(apply_waiting, provider=provider, event_id=event_id)
            try:
                await self._payments.carry_out(provider, event_id, work)
            except Refusal:
                raise
            except Exception:  # one that cannot be applied must not keep the others waiting
                log.exception("payment_event_not_swept", provider=provider, event_id=event_id)
        return len(rows)

    async def run(self) -> None:
        """Sweep every few seconds until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                await self.sweep()
            except Refusal as refusal:
                log.warning("payment_events_not_swept", error=repr(refusal.__cause__))
