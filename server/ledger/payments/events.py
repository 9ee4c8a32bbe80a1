"""The rows of what providers told: each piece of news once, and whether it was applied."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from server.domain.payments import EventProblem, PaymentKind
from server.ledger.payments.provider import PaymentEvent
from server.storage.postgres import Connection

WAITING_AT_ONCE_MAX: Final = 100
"""Events of one contribution that are applied together with its payment; a sweep finds the rest."""

_COLUMNS: Final = """event_id, type, kind, provider_reference, payment_reference, contribution_id, amount_cents,
    currency, refund_reference, refunded_cents"""
_WAITS: Final = [problem.value for problem in EventProblem if problem.waits]


async def record(conn: Connection, provider: str, event: PaymentEvent) -> bool:
    """Write the news down, as not applied so far; returns False when it was written before.

    Whoever brings the same news at the same time waits here until the first one has committed.
    """
    inserted = await conn.fetchval(
        f"""
        INSERT INTO provider_event (provider, payload, problem, {_COLUMNS})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (provider, event_id) DO NOTHING RETURNING true
        """,  # noqa: S608 - a constant
        provider,
        _json(event.payload),
        EventProblem.UNKNOWN_REFERENCE,
        event.event_id,
        event.type,
        event.kind,
        event.reference,
        event.payment_reference,
        event.contribution_id,
        event.amount_cents,
        event.currency,
        event.refund_reference,
        event.refunded_cents,
    )
    return inserted is not None


async def read_problem(conn: Connection, provider: str, event_id: str) -> EventProblem | None:
    """Why recorded news was not applied; None: it was, or nothing was to be done."""
    problem = await conn.fetchval(
        "SELECT problem FROM provider_event WHERE provider = $1 AND event_id = $2", provider, event_id
    )
    return None if problem is None else EventProblem(problem)


async def mark(conn: Connection, provider: str, event_id: str, problem: EventProblem | None) -> None:
    """Say what became of recorded news; None: it is applied, or there was nothing to do."""
    await conn.execute(
        """
        UPDATE provider_event
        SET problem = $3, applied_at = CASE WHEN $3::text IS NULL THEN clock_timestamp() END
        WHERE provider = $1 AND event_id = $2
        """,
        provider,
        event_id,
        problem,
    )


async def lock_waiting(conn: Connection, provider: str, event_id: str) -> PaymentEvent | None:
    """News that waits, locked; None: it does not wait any more, or somebody else is at it."""
    row = await conn.fetchrow(
        f"""
        SELECT {_COLUMNS} FROM provider_event
        WHERE provider = $1 AND event_id = $2 AND problem = ANY($3) FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 - a constant
        provider,
        event_id,
        _WAITS,
    )
    return None if row is None else _event(row)


async def lock_waiting_for(
    conn: Connection, provider: str, contribution_id: UUID, reference: str | None, payment_reference: str | None
) -> Sequence[PaymentEvent]:
    """News that came before the payment it speaks of, the oldest first, locked.

    Rows that a sweep holds are left to it: it waits for the contribution that the caller has locked.
    """
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} FROM provider_event
        WHERE provider = $1 AND applied_at IS NULL AND problem = ANY($2)
          AND (provider_reference = $3 OR payment_reference = $4 OR contribution_id = $5)
        ORDER BY received_at, event_id LIMIT $6 FOR UPDATE SKIP LOCKED
        """,  # noqa: S608 - a constant
        provider,
        _WAITS,
        reference,
        payment_reference,
        contribution_id,
        WAITING_AT_ONCE_MAX,
    )
    return [_event(row) for row in rows]


def _event(row: asyncpg.Record) -> PaymentEvent:
    """News as it was recorded; what else was written down stays in the row."""
    return PaymentEvent(
        event_id=row["event_id"],
        type=row["type"],
        kind=None if row["kind"] is None else PaymentKind(row["kind"]),
        reference=row["provider_reference"],
        payment_reference=row["payment_reference"],
        contribution_id=row["contribution_id"],
        amount_cents=row["amount_cents"],
        currency=row["currency"],
        refund_reference=row["refund_reference"],
        refunded_cents=row["refunded_cents"],
    )


def _json(payload: Mapping[str, Any]) -> str:
    # Postgres keeps no U+0000, in no text and in no JSON.
    return msgspec.json.encode(payload).decode().replace("\\u0000", "\\ufffd")
