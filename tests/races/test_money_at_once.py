"""Everything that moves money and credits at once, with replies of COMMIT lost: nobody waits in a circle, nothing is
lost or done twice."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from server.domain.errors import Code, Refusal
from server.domain.payments import PaymentKind
from server.domain.transactions import TransactionType
from server.ledger.audit import check
from server.ledger.claims import claim
from server.ledger.contributions import NewContribution, begin
from server.ledger.credits import Credits
from server.ledger.payments.payments import Payments
from server.ledger.payments.polling import Poller
from server.ledger.payments.sweeping import Sweeper
from server.ledger.reversals import reverse
from server.storage.ids import new_id
from server.storage.outages import is_outage
from server.storage.postgres import Postgres
from server.storage.redis import Redis
from tests.ledger.books import Books
from tests.ledger.payments.news import SANDBOX, news, refund
from tests.support.patient_redis import PATIENT_REDIS
from tests.support.payments import PaperProvider
from tests.support.postgres_proxy import Side, Step, Verdict, pass_on, postgres_proxy

Job = Callable[[], Awaitable[Any]]

CONTRIBUTIONS = 60
AT_ONCE = 14
LOST_REPLIES = 0.04
A_REVERSAL_CENTS = 7
OF_OTHERS = """
    SELECT id FROM "transaction" WHERE reverses_id IS NULL AND contribution_id <> ALL($1) ORDER BY id LIMIT 50
"""


@dataclass
class Crush:
    """Jobs on three channels that are about to go on air, in an order that the seed decides.

    Attributes:
        direct: the database, past the proxy.
        postgres: the database as the jobs see it.
        given_back_cents: what the provider says went back, by contribution.
    """

    direct: Postgres
    postgres: Postgres
    payments: Payments
    rng: random.Random
    channels: list[UUID] = field(default_factory=list)
    sessions: list[UUID] = field(default_factory=list)
    made: list[NewContribution] = field(default_factory=list)
    given_back_cents: dict[UUID, int] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)

    @property
    def books(self) -> Books:
        return Books(self.direct)

    async def prepare(self) -> None:
        self.channels = [await self.books.channel(goal_cents=3_000, is_active=False) for _ in range(3)]
        self.sessions = [await self.books.session() for _ in range(6)]
        users = [await self.books.user() for _ in range(2)]
        for _ in range(CONTRIBUTIONS):
            await self.contribute()
        for session_id in self.sessions[:4]:
            user_id = self.rng.choice(users)
            self.jobs.append(partial(self.postgres.transact, partial(claim, session_id=session_id, user_id=user_id)))
        sweeper, poller = Sweeper(self.postgres, self.payments), Poller(self.postgres, self.payments)
        self.jobs += [sweeper.sweep] * 20 + [poller.poll] * 5
        self.jobs += [self.activate_late, self.reverse_some] * 20
        self.jobs += [partial(self.chat, self.rng.choice(self.channels)) for _ in range(25)]
        self.rng.shuffle(self.jobs)

    async def contribute(self) -> None:
        """A contribution that waits; its news, some of it twice, is among the jobs."""
        type_, cents = self.rng.choice(list(TransactionType)), self.rng.choice([100, 333, 1_000, 2_500])
        channel_id, session_id = self.rng.choice(self.channels), self.rng.choice(self.sessions)
        new = await self.books.contribution(channel_id, type_, cents, session_id=session_id)
        self.made.append(new)
        told = [news(new, PaymentKind.PAID)] * self.rng.choice([1, 2])
        told += [news(new, kind) for kind in (PaymentKind.PENDING, PaymentKind.FAILED) if self.rng.random() < 0.4]
        if self.rng.random() < 0.6:
            parts = self.rng.choice([[cents], [40, 50], [cents - 10, 10]])
            self.given_back_cents[new.id] = sum(parts)
            for number, part in enumerate(parts):
                told += [refund(new, part, f"re-{number}")] * self.rng.choice([1, 2])
        self.jobs += [partial(self.payments.take, SANDBOX, event) for event in told]

    async def activate_late(self) -> None:
        channel_id, session_id = self.rng.choice(self.channels), self.rng.choice(self.sessions)
        new = NewContribution(new_id(), channel_id, session_id, TransactionType.ACTIVATION, 500, 10, SANDBOX)
        await self.postgres.transact(partial(begin, new=new))
        await self.payments.take(SANDBOX, news(new, PaymentKind.PAID))

    async def reverse_some(self) -> None:
        rows = await self.direct.pool.fetch(OF_OTHERS, list(self.given_back_cents))
        if rows:
            reverse_it = partial(
                reverse,
                transaction_id=self.rng.choice(rows)["id"],
                reference=f"key-{new_id()}",
                amount_cents=A_REVERSAL_CENTS,
                reason="a test",
            )
            await self.postgres.transact(reverse_it)

    async def chat(self, channel_id: UUID) -> None:
        status = await self.direct.pool.fetchval("SELECT status FROM channel WHERE id = $1", channel_id)
        if status == "ACTIVE":
            chat_ids = await self.books.chats(channel_id, 3, session_id=self.sessions[-1])  # which nobody claims
            for chat_id in await self.books.start(channel_id, chat_ids):
                await (self.books.spend(chat_id) if self.rng.random() < 0.5 else self.books.refund(chat_id))

    async def run(self) -> None:
        """Do all jobs, each until it was done or refused."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def insist(job: Job) -> None:
            async with turns:
                while not await is_done(job):
                    pass

        async with asyncio.TaskGroup() as tasks:
            for job in self.jobs:
                tasks.create_task(insist(job))

    async def finish(self) -> None:
        """Apply what waited for a later sweep."""
        for _ in range(3):
            await Sweeper(self.postgres, self.payments).sweep()


async def is_done(job: Job) -> bool:
    try:
        await job()
    except Refusal as refusal:
        return refusal.code is not Code.UNAVAILABLE
    except Exception as failure:
        if not is_outage(failure):
            raise
        return False
    return True


@pytest.fixture(params=range(4))
async def crush(postgres_url: str, redis_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Crush]:
    rng = random.Random(request.param)

    async def lose_some(step: Step) -> Verdict:
        is_unlucky = step.side is Side.REPLY and step.sql.startswith("COMMIT") and rng.random() < LOST_REPLIES
        return Verdict.CUT if is_unlucky else Verdict.PASS

    async with postgres_proxy(postgres_url) as proxy:
        direct, through = await Postgres.open(postgres_url), await Postgres.open(proxy.url)
        redis = Redis.open(redis_url, PATIENT_REDIS)
        payments = Payments(
            through,
            Credits(through, redis),
            lambda *_: None,
            providers={SANDBOX: PaperProvider()},
            current=SANDBOX,
        )
        crush = Crush(direct, through, payments, rng)
        await crush.prepare()
        proxy.hook = lose_some
        await crush.run()
        proxy.hook = pass_on
        await crush.finish()
        yield crush
        await asyncio.gather(direct.close(), through.close(), redis.close())


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_all_that_moves_money_at_once_waits_in_no_circle_and_loses_nothing(crush: Crush) -> None:
    pool = crush.direct.pool
    assert (await check(crush.direct)).findings == ()
    for new in crush.made:
        left = await pool.fetchval('SELECT sum(amount_cents) FROM "transaction" WHERE contribution_id = $1', new.id)
        if new.id in crush.given_back_cents:
            assert left == new.amount_cents - crush.given_back_cents[new.id]
        else:
            assert left is not None
    assert await pool.fetch("SELECT event_id, problem FROM provider_event WHERE applied_at IS NULL") == []
    assert await pool.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
