"""What a provider's news does to a contribution: one transaction each, in whatever order and however often it comes.

The news is written down first, so it is applied once. A contribution goes only to a status of a higher rank, so late
news changes nothing; a refund that comes before its payment waits in its row and is applied with it. Money is credited
by one path, `contributions.settle`, which settles a contribution once.

Locks are taken in the order of the whole program: session (FOR SHARE), contribution, channel. An event's row comes
before all of them, or, when a contribution is locked already, is passed over while somebody holds it.
"""

from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from server.domain.errors import Code, Refusal
from server.domain.events import CreditReason
from server.domain.payments import EventProblem, PaymentKind
from server.domain.transactions import ContributionStatus, before
from server.ledger.accounts import Balance
from server.ledger.contributions import settle
from server.ledger.payments.events import lock_waiting, lock_waiting_for, mark, read_problem, record
from server.ledger.payments.provider import PaymentEvent
from server.ledger.reversals import reverse_contribution
from server.storage.postgres import Connection

_PAID: Final = frozenset({ContributionStatus.SETTLED, ContributionStatus.REVERSED})


@dataclass(slots=True)
class Applied:
    """What became of one piece of news, to be told once it is committed.

    Attributes:
        is_repeat: it was written down before; nothing was changed.
        problems: news that was kept without being applied, by its id; beside this piece, refunds that waited for it.
        contribution_id: that it speaks of; None: none is known.
        changed: the channel whose figures have changed; None: nothing was credited or taken back.
        balances: the channel's balances after each change of its credits, the newest last.
    """

    is_repeat: bool = False
    problems: dict[str, EventProblem] = field(default_factory=dict)
    contribution_id: UUID | None = None
    changed: UUID | None = None
    balances: list[tuple[Balance, CreditReason]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Contribution:
    """A contribution under its locks."""

    id: UUID
    channel_id: UUID
    status: ContributionStatus
    amount_cents: int
    currency: str
    provider: str
    reference: str | None
    payment_reference: str | None


async def apply_event(conn: Connection, provider: str, event: PaymentEvent) -> Applied:
    """Write news down and do what it says; the same news again changes nothing, and says what became of it.

    Args:
        conn: in a transaction of the caller's, at the READ COMMITTED level.
        provider: whose news it is; it speaks of this provider's contributions alone.
    """
    if not await record(conn, provider, event):
        # Perhaps by a try of ours whose reply was lost, which then has told nobody.
        problem = await read_problem(conn, provider, event.event_id)
        return Applied(is_repeat=True, problems={} if problem is None else {event.event_id: problem})
    return await _apply_recorded(conn, provider, event)


async def apply_waiting(conn: Connection, provider: str, event_id: str) -> Applied:
    """Try news again that waits in its row; a repeat when it does not wait any more, or somebody else is at it."""
    event = await lock_waiting(conn, provider, event_id)
    return Applied(is_repeat=True) if event is None else await _apply_recorded(conn, provider, event)


async def _apply_recorded(conn: Connection, provider: str, event: PaymentEvent) -> Applied:
    applied = Applied()
    await _close(conn, provider, event, await _find_and_apply(conn, provider, event, applied), applied)
    return applied


async def _close(
    conn: Connection, provider: str, event: PaymentEvent, problem: EventProblem | None, applied: Applied
) -> None:
    """Say what became of the news, in its row and to the caller."""
    await mark(conn, provider, event.event_id, problem)
    if problem is not None:
        applied.problems[event.event_id] = problem


async def _find_and_apply(
    conn: Connection, provider: str, event: PaymentEvent, applied: Applied
) -> EventProblem | None:
    if event.kind is None:
        return None
    found = await _find(conn, provider, event)
    if not found:
        return EventProblem.UNKNOWN_REFERENCE
    if len(found) > 1:
        return EventProblem.CONTRIBUTION_DIFFERS
    contribution = await _lock(conn, found[0])
    applied.contribution_id = contribution.id
    return await _apply(conn, contribution, event, applied)


async def _find(conn: Connection, provider: str, event: PaymentEvent) -> list[UUID]:
    """The contribution by the provider's names, or by ours where the provider is faster than our own writing down of
    its reference. More than one: the names contradict each other."""
    rows = await conn.fetch(
        """
        SELECT id FROM contribution
        WHERE provider = $1 AND (provider_reference = $2 OR payment_reference = $3 OR id = $4)
        """,
        provider,
        event.reference,
        event.payment_reference,
        event.contribution_id,
    )
    return [row["id"] for row in rows]


async def _lock(conn: Connection, contribution_id: UUID) -> _Contribution:
    await conn.execute(
        "SELECT FROM session WHERE id = (SELECT session_id FROM contribution WHERE id = $1) FOR SHARE",
        contribution_id,
    )
    row = await conn.fetchrow(
        """
        SELECT id, channel_id, status, amount_cents, currency, provider, provider_reference, payment_reference
        FROM contribution WHERE id = $1 FOR UPDATE
        """,
        contribution_id,
    )
    assert row is not None  # no contribution is ever removed
    return _Contribution(
        id=row["id"],
        channel_id=row["channel_id"],
        status=ContributionStatus(row["status"]),
        amount_cents=row["amount_cents"],
        currency=row["currency"],
        provider=row["provider"],
        reference=row["provider_reference"],
        payment_reference=row["payment_reference"],
    )


async def _apply(
    conn: Connection, contribution: _Contribution, event: PaymentEvent, applied: Applied
) -> EventProblem | None:
    """Do what the news says; returns why not."""
    if problem := _difference(contribution, event):
        return problem
    if event.kind is PaymentKind.REINSTATED:
        return EventProblem.REINSTATED
    if event.kind is PaymentKind.REFUNDED:
        return await _take_back(conn, contribution, event, applied)
    if event.kind is PaymentKind.PAID:
        return await _credit(conn, contribution, event, applied)
    await _move(conn, contribution, event)
    return None


def _difference(contribution: _Contribution, event: PaymentEvent) -> EventProblem | None:
    """Where the news does not fit the contribution. A payment must say its amount and its currency."""
    if event.contribution_id not in {None, contribution.id}:
        return EventProblem.CONTRIBUTION_DIFFERS
    is_payment = event.kind is PaymentKind.PAID
    if event.currency != contribution.currency and (is_payment or event.currency is not None):
        return EventProblem.CURRENCY_DIFFERS
    if event.amount_cents != contribution.amount_cents and (is_payment or event.amount_cents is not None):
        return EventProblem.AMOUNT_DIFFERS
    return None


async def _credit(
    conn: Connection, contribution: _Contribution, event: PaymentEvent, applied: Applied
) -> EventProblem | None:
    if contribution.status in _PAID:
        return EventProblem.PAID_TWICE if _is_another_payment(contribution, event) else None
    # The references of the payment that came, should there have been another checkout before.
    reference = event.reference or contribution.reference
    payment_reference = event.payment_reference or contribution.payment_reference
    await _set_references(conn, contribution.id, reference, payment_reference)
    settlement = await settle(conn, contribution.id)
    assert settlement is not None  # it is locked, and was not settled
    applied.changed = settlement.channel_id
    if settlement.balance is not None:
        applied.balances.append((settlement.balance, CreditReason.PURCHASE))
    paid = await _lock(conn, contribution.id)
    waiting = await lock_waiting_for(conn, paid.provider, paid.id, paid.reference, paid.payment_reference)
    for earlier in waiting:
        if earlier.event_id != event.event_id:
            await _close(conn, paid.provider, earlier, await _apply(conn, paid, earlier, applied), applied)
    return None


def _is_another_payment(contribution: _Contribution, event: PaymentEvent) -> bool:
    pairs = (
        (event.reference, contribution.reference),
        (event.payment_reference, contribution.payment_reference),
    )
    return any(told is not None and known is not None and told != known for told, known in pairs)


async def _move(conn: Connection, contribution: _Contribution, event: PaymentEvent) -> None:
    """Go to the status that the news speaks of, unless the contribution is further than that."""
    await _set_references(
        conn,
        contribution.id,
        contribution.reference or event.reference,
        contribution.payment_reference or event.payment_reference,
    )
    assert event.kind is not None
    status = event.kind.status
    assert status is not None
    await conn.execute(
        """
        UPDATE contribution SET status = $2, updated_at = clock_timestamp() WHERE id = $1 AND status = ANY($3)
        """,
        contribution.id,
        status,
        before(status),
    )


async def _set_references(
    conn: Connection, contribution_id: UUID, reference: str | None, payment_reference: str | None
) -> None:
    await conn.execute(
        """
        UPDATE contribution SET provider_reference = $2, payment_reference = $3
        WHERE id = $1 AND (provider_reference, payment_reference) IS DISTINCT FROM ($2, $3)
        """,
        contribution_id,
        reference,
        payment_reference,
    )


async def _take_back(
    conn: Connection, contribution: _Contribution, event: PaymentEvent, applied: Applied
) -> EventProblem | None:
    if contribution.status not in _PAID:
        return EventProblem.NOT_PAID_YET
    assert event.refund_reference is not None
    assert event.refunded_cents is not None
    try:
        # More than one event may speak of the same refund: the reason must be the same each time.
        reversals = await reverse_contribution(
            conn,
            contribution.id,
            reference=event.refund_reference,
            amount_cents=event.refunded_cents,
            reason=f"{event.refund_reference} at {contribution.provider}",
        )
    except Refusal as refusal:
        if refusal.code is not Code.CONFLICT:
            raise
        return EventProblem.REFUND_REFUSED
    for reversal in reversals or ():
        applied.changed = reversal.channel_id
        if reversal.balance is not None:
            applied.balances.append((reversal.balance, CreditReason.ADJUST))
    return None
