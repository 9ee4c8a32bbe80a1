"""Payments of which no news comes: the provider is asked, and what nobody will pay any more comes to its end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from server.domain.errors import Refusal
from server.domain.transactions import ContributionStatus, before
from server.ledger.payments.payments import Payments
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

PERIOD_SECONDS: Final = 30.0
ASKED_AT_ONCE_MAX: Final = 20
"""Payments that are asked for in one round, one after the other; the rest waits for the next one."""
ASKED_AFTER: Final = timedelta(minutes=10)
"""How long a payment is PENDING before its provider is asked, and from one question to the next."""
NEVER_OPENED_AFTER: Final = timedelta(hours=1)
"""How long a contribution may be CREATED without a checkout; whoever gave up before that has left it for ever."""
FORGOTTEN_AFTER: Final = timedelta(hours=26)
"""How long a payment may be PENDING of which the provider knows nothing; longer than any checkout is open (a day)."""
EXPIRED_AT_ONCE_MAX: Final = 1_000

# Whoever marks a row asks for it; other nodes find it asked for.
_DUE: Final = """
    UPDATE contribution SET polled_at = clock_timestamp()
     WHERE id IN (
         SELECT id FROM contribution
          WHERE status = 'PENDING' AND provider = ANY($1) AND provider_reference IS NOT NULL
            AND greatest(updated_at, polled_at) < clock_timestamp() - $2::interval
          ORDER BY greatest(updated_at, polled_at) LIMIT $3 FOR UPDATE SKIP LOCKED)
    RETURNING id, provider, provider_reference, updated_at < clock_timestamp() - $4::interval AS is_forgotten
"""
_NEVER_OPENED: Final = """
    UPDATE contribution SET status = 'EXPIRED', updated_at = clock_timestamp()
     WHERE id IN (
         SELECT id FROM contribution
          WHERE status = 'CREATED' AND updated_at < clock_timestamp() - $1::interval
          ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
_EXPIRE: Final = """
    UPDATE contribution SET status = 'EXPIRED', updated_at = clock_timestamp() WHERE id = $1 AND status = ANY($2)
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Due:
    """A payment to ask for.

    Attributes:
        is_forgotten: whether it is over if the provider knows nothing of it.
    """

    id: UUID
    provider: str
    reference: str
    is_forgotten: bool


class Poller:
    """Asks for what stays PENDING; any number of nodes may do it at once."""

    def __init__(self, postgres: Postgres, payments: Payments) -> None:
        self._postgres = postgres
        self._payments = payments

    async def poll(self) -> int:
        """Ask for the payments that are due, and end what is over; returns how many were asked for.

        Raises:
            Refusal: ``unavailable``: the database does not answer. A provider's trouble is logged, and asked again
                for after a while.
        """
        with outages_refused():
            await self._postgres.pool.execute(_NEVER_OPENED, NEVER_OPENED_AFTER, EXPIRED_AT_ONCE_MAX)
            due = await self._due()
        for one in due:
            await self._ask(one)
        return len(due)

    async def _due(self) -> Sequence[_Due]:
        rows = await self._postgres.pool.fetch(
            _DUE, list(self._payments.providers), ASKED_AFTER, ASKED_AT_ONCE_MAX, FORGOTTEN_AFTER
        )
        return [_Due(row["id"], row["provider"], row["provider_reference"], row["is_forgotten"]) for row in rows]

    async def _ask(self, due: _Due) -> None:
        try:
            event = await self._payments.providers[due.provider].look_up(due.reference)
        except Refusal as refusal:
            log.warning("payment_not_looked_up", provider=due.provider, contribution=str(due.id), error=repr(refusal))
            return
        if event is not None:
            await self._payments.take(due.provider, event)
        elif due.is_forgotten:
            with outages_refused():
                status = ContributionStatus.EXPIRED
                await self._postgres.pool.execute(_EXPIRE, due.id, before(status))

    async def run(self) -> None:
        """Poll every half minute until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                await self.poll()
            except Refusal as refusal:
                log.warning("payments_not_polled", error=repr(refusal.__cause__))
