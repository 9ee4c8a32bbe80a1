"""The group commit: messages, charges and first tokens of many chats in one transaction at a time.

One writer connection a node beats many: the starts of a hot channel would queue on its row anyway, and a commit costs
the same for one as for sixty-four. What arrives while a transaction runs goes into the next one; an idle writer begins
at once. A commit whose reply was lost is run again with the same ids until its outcome is known (`docs/ledger.md`,
*Lost replies*).
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from server.chats.admission import Admitted, Decision, decide
from server.chats.starts import Start
from server.chats.turn_rows import read_facts, write_admitted
from server.domain.errors import Code, Refusal
from server.ledger import charging, quotas
from server.ledger.accounts import Balance
from server.storage.outages import is_outage
from server.storage.postgres import Connection, Postgres, is_unreachable, may_be_repeated

BATCH_MAX: Final = 64
"""Starts and first tokens in one transaction."""
QUEUE_MAX: Final = 4_096
"""Jobs that may wait; the next one is refused `overloaded`."""
GIVE_UP_SECONDS: Final = 3.0
"""How long a batch that surely was not committed is tried while Postgres cannot be reached."""
RETRY_FIRST_SECONDS: Final = 0.05
RETRY_MAX_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """What became of a start.

    Attributes:
        balance: the channel's new balance when this start was charged; None otherwise.
        at: when the message was stored, by Postgres's clock.
    """

    decision: Decision
    balance: Balance | None
    at: datetime


@dataclass(frozen=True, slots=True)
class FirstToken:
    """A first token is ready to leave a chat that this node writes under `epoch`."""

    chat_id: UUID
    epoch: int


@dataclass(slots=True, eq=False)
class _Job:
    work: Start | FirstToken
    may_charge: bool
    outcome: "asyncio.Future[Started | bool]"
    queued_seconds: float
    in_doubt: bool = False


class GroupCommit:
    """The writer of one node. `run` is the only task that touches its connection."""

    def __init__(self, postgres: Postgres, node_id: UUID) -> None:
        self._postgres = postgres
        self._node_id = node_id
        self._jobs: deque[_Job] = deque()
        self._arrived = asyncio.Event()
        self._connection: Connection | None = None

    async def start(self, start: Start, *, may_charge: bool) -> Started:
        """Store a message and take its turn; returns when it is decided and durable, however long that takes.

        Args:
            may_charge: whether the chat may not be charged yet, so that its channel is locked.

        Raises:
            Refusal: `unavailable` when nothing was stored because Postgres could not be reached, `overloaded`.
        """
        outcome = await self._submit(start, may_charge=may_charge)
        assert isinstance(outcome, Started)
        return outcome

    async def spend(self, chat_id: UUID, epoch: int) -> bool:
        """Mark the first token of a charged chat; False: no row was CHARGED under this epoch.

        Raises:
            Refusal: `unavailable` when Postgres could not be reached and surely nothing was written.
        """
        outcome = await self._submit(FirstToken(chat_id, epoch), may_charge=False)
        assert isinstance(outcome, bool)
        return outcome

    async def _submit(self, work: Start | FirstToken, *, may_charge: bool) -> "Started | bool":
        if len(self._jobs) >= QUEUE_MAX:
            raise Refusal(Code.OVERLOADED, "Too many chats are starting. Try again.", after_seconds=1.0)
        loop = asyncio.get_running_loop()
        job = _Job(work, may_charge, loop.create_future(), loop.time())
        self._jobs.append(job)
        self._arrived.set()
        return await job.outcome

    async def run(self) -> None:
        """Commit batch after batch until cancelled."""
        try:
            while True:
                await self._arrived.wait()
                batch = [self._jobs.popleft() for _ in range(min(BATCH_MAX, len(self._jobs)))]
                if not self._jobs:
                    self._arrived.clear()
                if batch:
                    await self._commit(batch)
        finally:
            self._disconnect()
            _refuse(self._jobs, Refusal(Code.UNAVAILABLE, "The server is stopping."))

    async def _commit(self, batch: list[_Job]) -> None:
        """Run one batch until its outcome is known, row by row when one of them breaks the others."""
        deadline_seconds = asyncio.get_running_loop().time() + GIVE_UP_SECONDS
        delay_seconds = RETRY_FIRST_SECONDS
        while True:
            try:
                return await self._transact(batch)
            except Exception as error:
                if not (may_be_repeated(error) or is_outage(error)):
                    return await self._single_out(batch, error)
                log.warning("group_commit_retried", error=repr(error), jobs=len(batch))
                if is_unreachable(error):
                    self._disconnect()
                self._refuse_stale()
                if asyncio.get_running_loop().time() > deadline_seconds:
                    _refuse([job for job in batch if not job.in_doubt], _unreachable())
                    batch = [job for job in batch if job.in_doubt]
                    if not batch:
                        return None
                await asyncio.sleep(delay_seconds)
                delay_seconds = min(2 * delay_seconds, RETRY_MAX_SECONDS)

    async def _single_out(self, batch: list[_Job], error: Exception) -> None:
        """A row that the tables refuse must not take the others of its batch with it: run each on its own."""
        log.error("group_commit_failed", error=repr(error), jobs=len(batch))
        if len(batch) == 1:
            _refuse(batch, Refusal(Code.INTERNAL, "Something broke on our side. Nothing was stored."))
            return
        for job in batch:
            await self._commit([job])

    def _refuse_stale(self) -> None:
        """Refuse what has waited too long behind a batch that cannot be committed."""
        since_seconds = asyncio.get_running_loop().time() - GIVE_UP_SECONDS
        while self._jobs and self._jobs[0].queued_seconds < since_seconds:
            _refuse([self._jobs.popleft()], _unreachable())

    async def _transact(self, batch: Sequence[_Job]) -> None:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = self._connection = await self._postgres.connect_writer()
        if not any(isinstance(job.work, Start) for job in batch):
            await self._spend_alone(connection, batch)
            return
        transaction = connection.transaction()
        await transaction.start()
        try:
            started = await self._run_starts(connection, [job for job in batch if isinstance(job.work, Start)])
            spent = await self._run_first_tokens(connection, batch)
        except BaseException:
            if not connection.is_closed():
                await transaction.rollback()
            raise
        for job in batch:
            job.in_doubt = True
        await transaction.commit()
        for job in batch:
            if not job.outcome.done():
                job.outcome.set_result(started[id(job)] if isinstance(job.work, Start) else job.work.chat_id in spent)

    async def _spend_alone(self, connection: Connection, batch: Sequence[_Job]) -> None:
        """First tokens without a start among them: one statement, which is a transaction by itself. Somebody waits for
        the token, and two round trips are saved."""
        for job in batch:
            job.in_doubt = True
        spent = await self._run_first_tokens(connection, batch)
        for job in batch:
            if not job.outcome.done():
                job.outcome.set_result(job.work.chat_id in spent)

    async def _run_starts(self, connection: Connection, jobs: Sequence[_Job]) -> dict[int, Started]:
        if not jobs:
            return {}
        starts = [job.work for job in jobs if isinstance(job.work, Start)]
        firsts = {start.chat_id for job, start in zip(jobs, starts, strict=True) if job.may_charge}
        facts, accounts, now = await read_facts(connection, starts, firsts)
        today = now.date()
        decisions = [decide(start, facts, now) for start in starts]
        admitted = [decision for decision in decisions if isinstance(decision, Admitted)]
        charged = [one for one in admitted if one.charges]
        balances: dict[UUID, Balance] = {}
        if charged:
            pairs = [(one.start.channel_id, one.start.chat_id) for one in charged]
            balances = await charging.charge(connection, accounts, pairs)
            counts: dict[str, int] = {}
            for one in charged:
                for subject in one.start.visitor.subjects if one.start.visitor else ():
                    counts[subject] = counts.get(subject, 0) + 1
            if counts:
                await quotas.add(connection, today, counts)
        if admitted:
            await write_admitted(connection, admitted, self._node_id, today, now)
        return {
            id(job): Started(decision, _balance_of(decision, balances), now)
            for job, decision in zip(jobs, decisions, strict=True)
        }

    @staticmethod
    async def _run_first_tokens(connection: Connection, batch: Sequence[_Job]) -> set[UUID]:
        tokens = [(job.work.chat_id, job.work.epoch) for job in batch if isinstance(job.work, FirstToken)]
        return await charging.spend(connection, tokens) if tokens else set()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


def _refuse(jobs: Iterable[_Job], refusal: Refusal) -> None:
    for job in jobs:
        if not job.outcome.done():
            job.outcome.set_exception(refusal)


def _unreachable() -> Refusal:
    return Refusal(Code.UNAVAILABLE, "The database cannot be reached. Nothing was charged.")


def _balance_of(decision: Decision, balances: dict[UUID, Balance]) -> Balance | None:
    if isinstance(decision, Admitted) and decision.charges:
        return balances[decision.start.channel_id]
    return None
