"""An admin's reversal from the request to the pages that show it: carried out once, published, told to who watches."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from server.domain.events import CreditReason
from server.domain.transactions import TransactionType
from server.ledger.accounts import Balance
from server.ledger.credits import Credits
from server.ledger.reversals import reverse
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReversalRequest:
    """What an admin wants to take back.

    Attributes:
        reference: made by the caller, and the same when the request is repeated.
        amount_cents: None: all that is left.
        by_user_id: the admin; None: the command line.
    """

    transaction_id: UUID
    reference: str
    amount_cents: int | None
    reason: str
    by_user_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RecordedReversal:
    """A reversal's row.

    Attributes:
        amount_cents, credits: as they stand in the row: negative, or 0 credits.
        deficit_credits: credits that had been used already and were not taken.
    """

    id: UUID
    reverses_id: UUID
    contribution_id: UUID
    channel_id: UUID
    channel_name: str
    type: TransactionType
    amount_cents: int
    currency: str
    credits: int
    deficit_credits: int
    reason: str | None
    created_at: datetime


class Reversals:
    """Carries requests out."""

    def __init__(
        self,
        postgres: Postgres,
        channel_credits: Credits,
        balance_changed: Callable[[Balance, CreditReason], None] | None = None,
    ) -> None:
        """Wire it.

        Args:
            postgres: where the money is.
            channel_credits: gets the new balance.
            balance_changed: tells those who watch the channel on this node; None: nobody does.
        """
        self._postgres = postgres
        self._credits = channel_credits
        self._balance_changed = balance_changed

    async def reverse(self, request: ReversalRequest) -> RecordedReversal:
        """Reverse a transaction, once for each reference.

        Returns:
            The row: the same when the request is repeated.

        Raises:
            Refusal: as `server.ledger.reversals.reverse`; unavailable, then it may have been carried out all the same.
        """
        with outages_refused():
            recorded, balance, is_new = await self._postgres.transact(lambda conn: _reverse(conn, request))
        if is_new:
            log.info(
                "transaction_reversed",
                transaction=str(recorded.reverses_id),
                reversal=str(recorded.id),
                channel=recorded.channel_name,
                amount_cents=recorded.amount_cents,
                credits=recorded.credits,
                deficit_credits=recorded.deficit_credits,
                by_user=None if request.by_user_id is None else str(request.by_user_id),
            )
        await self._credits.publish([balance])
        if self._balance_changed is not None:
            self._balance_changed(balance, CreditReason.ADJUST)
        return recorded


async def _reverse(conn: Connection, request: ReversalRequest) -> tuple[RecordedReversal, Balance, bool]:
    reversal = await reverse(
        conn,
        request.transaction_id,
        reference=request.reference,
        amount_cents=request.amount_cents,
        reason=request.reason,
        by_user_id=request.by_user_id,
    )
    row = await conn.fetchrow(
        """
        SELECT reversal.id, reverses_id, contribution_id, channel_id, channel.name AS channel_name, type, amount_cents,
               currency, credits, deficit_credits, reason, reversal.created_at, credit_balance, ledger_version
        FROM "transaction" AS reversal JOIN channel ON channel.id = channel_id
        WHERE reverses_id = $1 AND provider_reference = $2
        """,
        request.transaction_id,
        request.reference,
    )
    assert row is not None
    facts = dict(row)
    # Of the channel as it is now: a repetition makes good what the first one had no time to publish.
    balance = Balance(facts["channel_id"], facts.pop("credit_balance"), facts.pop("ledger_version"))
    facts["type"] = TransactionType(facts["type"])
    return RecordedReversal(**facts), balance, reversal is not None
