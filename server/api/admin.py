"""What only admins may do over REST: take money back, and have the ledger checked."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.bodies import read_body
from server.api.idempotency import Idempotency, idempotency_key
from server.api.operations import Access, Answer, Operation, described
from server.api.paths import TransactionPath
from server.api.queries import json_answer
from server.auth.callers import Callers
from server.domain.errors import Code, Refusal
from server.domain.money import MAX_CONTRIBUTION_CENTS
from server.domain.rates import Action
from server.domain.transactions import TransactionType
from server.ledger.audit import Finding, Report
from server.ledger.checks import LedgerChecks
from server.ledger.reversal_requests import RecordedReversal, ReversalRequest, Reversals
from server.ledger.reversals import MAX_REASON_CHARACTERS


class ReversalBody(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What is to be taken back of a transaction.

    Attributes:
        reason: why; kept with the reversal, and shown to admins only.
        amount: in cents; null, or left out: all that is left.
    """

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REASON_CHARACTERS)]
    amount: Annotated[int, msgspec.Meta(ge=1, le=MAX_CONTRIBUTION_CENTS)] | None = None


class ReversalAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A transaction that takes another one back.

    Attributes:
        id: id of the reversal, a transaction of its own.
        reverses_id: id of the transaction that was reversed.
        contribution_id: id of the payment that both belong to.
        channel: handle of the channel.
        type: ACTIVATION lowered the funding, CREDIT_PURCHASE the credits.
        amount: in cents; negative.
        currency: always USD.
        credits: negative; 0 of an activation.
        deficit_credits: those of the credits that had been used already, and were not taken from what others gave.
        reason: why it was reversed.
        created_at: when it was reversed.
    """

    id: UUID
    reverses_id: UUID
    contribution_id: UUID
    channel: str
    type: TransactionType
    amount: int
    currency: str
    credits: int
    deficit_credits: int
    reason: str | None
    created_at: datetime


class LedgerFinding(msgspec.Struct, frozen=True, rename="camel"):
    """One row that breaks a rule of the ledger.

    Attributes:
        invariant: the rule, such as "S2".
        subject: the row.
        problem: what is wrong with it.
    """

    invariant: str
    subject: str
    problem: str


class LedgerReport(msgspec.Struct, frozen=True, rename="camel"):
    """What a check of the whole ledger found.

    Attributes:
        clean: whether the ledger is right.
        cut: whether more is wrong than the findings say.
        channels: how many channels were looked at.
        entries: how many changes of credits were looked at.
        chats: how many chats were looked at.
        contributions: how many contributions were looked at.
        findings: every row that is wrong.
        differences: where the copies of the balances in Redis differ, which heals within seconds and is no fault; null
            where Redis did not answer.
    """

    clean: bool
    cut: bool
    channels: int
    entries: int
    chats: int
    contributions: int
    findings: list[LedgerFinding]
    differences: list[LedgerFinding] | None


class AdminEndpoints:
    """`/api/admin/…`."""

    def __init__(
        self, callers: Callers, idempotency: Idempotency, reversals: Reversals, ledger_checks: LedgerChecks
    ) -> None:
        self._callers = callers
        self._idempotency = idempotency
        self._reversals = reversals
        self._ledger_checks = ledger_checks

    @described(
        Operation(
            "Administration",
            {201: Answer(shape=ReversalAnswer)},
            path=TransactionPath,
            body=ReversalBody,
            refusals=(Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.UNAVAILABLE),
            is_personal=True,
            is_repeatable=True,
            counts_as=Action.ADMINISTRATION,
            access=Access.ADMIN,
        )
    )
    async def reverse_transaction(self, request: Request) -> Response:
        """`POST /api/admin/transactions/{id}/reversal`: take a transaction back, whole or in part. The balance never
        falls below zero, and a channel that is on air stays there."""
        writer = await self._callers.require_writer(request)
        key = idempotency_key(request)

        async def carry_out(_operation_id: UUID) -> Response:
            asked = await read_body(request, ReversalBody)
            recorded = await self._reversals.reverse(
                ReversalRequest(
                    transaction_id=_transaction_id_of(request),
                    reference=key,
                    amount_cents=asked.amount,
                    reason=asked.reason,
                    by_user_id=writer.identity.user_id,
                )
            )
            return json_answer(_answer_of(recorded), status=201)

        return await self._idempotency.once(request, writer.identity, key, carry_out)

    @described(
        Operation(
            "Administration",
            {200: Answer(shape=LedgerReport)},
            refusals=(Code.FORBIDDEN, Code.BUSY, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.ADMINISTRATION,
            access=Access.ADMIN,
        )
    )
    async def check_ledger(self, request: Request) -> Response:
        """`GET /api/admin/ledger/check`: derive every figure of the ledger anew, in one snapshot, and name what is off.
        Nobody waits for it; one check at a time on each server."""
        return json_answer(_report_of(await self._ledger_checks.check()))


def _transaction_id_of(request: Request) -> UUID:
    try:
        return UUID(request.path_params["id"])
    except ValueError as error:
        raise Refusal(Code.NOT_FOUND, "There is no such transaction.") from error


def _answer_of(recorded: RecordedReversal) -> ReversalAnswer:
    return ReversalAnswer(
        id=recorded.id,
        reverses_id=recorded.reverses_id,
        contribution_id=recorded.contribution_id,
        channel=recorded.channel_name,
        type=recorded.type,
        amount=recorded.amount_cents,
        currency=recorded.currency,
        credits=recorded.credits,
        deficit_credits=recorded.deficit_credits,
        reason=recorded.reason,
        created_at=recorded.created_at,
    )


def _report_of(report: Report) -> LedgerReport:
    return LedgerReport(
        clean=report.is_clean,
        cut=report.is_cut,
        channels=report.channels,
        entries=report.entries,
        chats=report.chats,
        contributions=report.contributions,
        findings=_findings_of(report.findings),
        differences=None if report.differences is None else _findings_of(report.differences),
    )


def _findings_of(findings: tuple[Finding, ...]) -> list[LedgerFinding]:
    return [LedgerFinding(one.invariant, one.subject, one.problem) for one in findings]
