"""Money moves while servers are emptied, stopped and killed: the books are right afterwards, and Redis soon."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from server.domain.errors import Refusal
from server.domain.transactions import TransactionType
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from server.ledger.adjustments import Adjustment, adjust
from server.ledger.audit import check
from server.ledger.credits import Credits
from server.ledger.reconcile import reconcile
from server.storage.ids import new_id
from server.storage.outages import is_outage
from server.storage.postgres import Postgres
from server.storage.redis import Redis, RedisUnavailable, balance_key
from tests.ledger.books import Books
from tests.support.waiting import eventually

CHANNELS = 3
NODES = 2
WORKERS = 4
SEED = 20_261_122


@dataclass
class Node:
    """The stores of one node, and what it has done."""

    postgres: Postgres
    redis: Redis
    credits: Credits
    done: Counter[str] = field(default_factory=Counter)

    @property
    def books(self) -> Books:
        return Books(self.postgres)

    async def start_a_chat(self, rng: random.Random, channel_id: UUID) -> str:
        """One chat from its first message to its first token or its refund."""
        (chat_id,) = await self.books.chats(channel_id)
        if not await self.credits.reserve(channel_id, chat_id):
            return "no_credit"
        charged = await self.books.start(channel_id, [chat_id])
        await self.credits.publish([await self.books.balance(channel_id)], [chat_id])
        if not charged:
            return "lost the race"
        if rng.random() < 0.5:
            await asyncio.gather(self.books.spend(chat_id), self.books.refund(chat_id))
            return "raced"
        await self.books.refund(chat_id)
        return "refunded"

    async def move_money(self, rng: random.Random, channel_id: UUID) -> str:
        if rng.random() < 0.5:
            new = await self.books.contribution(channel_id, TransactionType.CREDIT_PURCHASE, rng.randint(10, 40))
            await self.books.settle(new.id)
            return "bought"
        await adjust(self.postgres, self.credits, Adjustment(new_id(), channel_id, rng.choice((-2, 1)), "chaos"))
        return "adjusted"

    async def work(self, rng: random.Random, channel_ids: list[UUID], until_seconds: float) -> None:
        while time.monotonic() < until_seconds:
            channel_id = rng.choice(channel_ids)
            step = self.start_a_chat if rng.random() < 0.8 else self.move_money
            try:
                self.done[await step(rng, channel_id)] += 1
            except Refusal:
                self.done["refused"] += 1
            except Exception as error:
                if not is_outage(error):
                    raise
                self.done["outage"] += 1
                await asyncio.sleep(0.01)


@dataclass
class Faults:
    """What happens to the servers."""

    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    nodes: list[Node]
    channel_ids: list[UUID]

    async def empty_redis(self) -> None:
        await self.nodes[0].redis.run(lambda client: client.flushall())

    async def write_nonsense(self) -> None:
        key = balance_key(self.channel_ids[0])
        await self.nodes[0].redis.run(lambda client: client.hset(key, mapping={"b": 0, "v": 10**12}))
        await self.nodes[0].redis.run(lambda client: client.pexpire(key, 5_000))

    async def end_back_ends(self) -> None:
        await self.nodes[0].postgres.pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    async def restart_postgres(self) -> None:
        self.postgres.kill()
        self.postgres.start()

    async def restart_redis(self) -> None:
        self.valkey.kill()
        self.valkey.start()

    async def happen(self, rng: random.Random, until_seconds: float) -> Counter[str]:
        faults: list[Callable[[], Awaitable[None]]] = [self.empty_redis, self.write_nonsense, self.end_back_ends]
        rare: list[Callable[[], Awaitable[None]]] = [self.restart_postgres, self.restart_redis]
        happened: Counter[str] = Counter()
        while time.monotonic() < until_seconds:
            fault = rng.choice(rare if rng.random() < 0.1 else faults)
            try:
                await fault()
                happened[getattr(fault, "__name__", "?")] += 1
            except RedisUnavailable:
                happened["redis was away"] += 1
            except Exception as error:
                if not is_outage(error):
                    raise
                happened["postgres was away"] += 1
            await asyncio.sleep(rng.random() * 0.3)
        return happened


@pytest.fixture
async def nodes(disposable_postgres: EmbeddedPostgres, disposable_valkey: EmbeddedValkey) -> AsyncIterator[list[Node]]:
    made = []
    for _ in range(NODES):
        postgres, redis = await Postgres.open(disposable_postgres.url), Redis.open(disposable_valkey.url)
        made.append(Node(postgres, redis, Credits(postgres, redis)))
    yield made
    for node in made:
        await node.redis.close()
        await node.postgres.close()


async def run_chaos(faults: Faults, seconds: float) -> None:
    nodes, rng = faults.nodes, random.Random(SEED)
    until_seconds = time.monotonic() + seconds
    reconcilers = [asyncio.create_task(reconcile(node.credits, period_seconds=0.5)) for node in nodes]
    async with asyncio.TaskGroup() as tasks:
        for number, node in enumerate(nodes * WORKERS):
            tasks.create_task(node.work(random.Random(SEED + number), faults.channel_ids, until_seconds))
        happening = tasks.create_task(faults.happen(rng, until_seconds))
    print(happening.result(), *(node.done for node in nodes))  # noqa: T201 - shown when it fails

    await eventually(lambda: agree(nodes[0]), deadline_seconds=7)  # 5 s after the last fault, and time to reconnect
    for task in reconcilers:
        task.cancel()
    await asyncio.gather(*reconcilers, return_exceptions=True)
    assert sum(node.done["raced"] + node.done["refunded"] for node in nodes) > 0


async def agree(node: Node) -> bool:
    """Whether the ledger is right (at once) and Redis has nothing else (in time)."""
    try:
        report = await check(node.postgres, node.redis)
    except Exception as error:
        if not is_outage(error):
            raise
        return False
    assert report.findings == ()
    return report.differences == ()


@pytest.fixture
async def faults(nodes: list[Node], disposable_postgres: EmbeddedPostgres, disposable_valkey: EmbeddedValkey) -> Faults:
    channel_ids = [await nodes[0].books.channel(credits_=5) for _ in range(CHANNELS)]
    return Faults(disposable_postgres, disposable_valkey, nodes, channel_ids)


async def test_three_seconds_of_faults_leave_the_books_right(faults: Faults) -> None:
    await run_chaos(faults, seconds=3)


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_a_minute_of_faults_leaves_the_books_right(faults: Faults) -> None:
    await run_chaos(faults, seconds=60)
