"""Money moves in every way at once while gateways are killed, Redis is emptied, Postgres restarts and replies are lost:
afterwards the books are right, and whatever anybody was told is so."""

import asyncio
import os
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import httpx2
import pytest

from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from server.ledger.audit import check
from server.storage.outages import is_outage
from server.storage.postgres import Postgres
from tests.chaos.fleet import Fleet, fleet
from tests.chaos.money_people import People, Told
from tests.support.forked_gateways import GatewayNest
from tests.support.postgres_proxy import PostgresProxy, Side, Step, Verdict, pass_on, postgres_proxy
from tests.support.waiting import eventually
from tests.support.world import World, made_world

SEED_VARIABLE: Final = "TALLYLIGHT_CHAOS_SEED"
SECONDS: Final = 60.0
GIVERS: Final = 4
CHATTERS: Final = 3
ADMINS: Final = 2
REFUNDERS: Final = 1
LOST_COMMITS: Final = 0.02
"""The share of commits whose reply is lost, and with it the connection."""
SETTLED_WITHIN_SECONDS: Final = 60.0
AGREED_WITHIN_SECONDS: Final = 30.0


@dataclass
class Faults:
    """What happens meanwhile."""

    fleet: Fleet
    world: World
    proxy: PostgresProxy
    postgres: EmbeddedPostgres
    rng: random.Random

    async def judge(self, step: Step) -> Verdict:
        """The hook of the proxy: some commits are done, and nobody hears of it."""
        is_commit = step.side is Side.REPLY and step.sql.startswith("COMMIT")
        return Verdict.CUT if is_commit and self.rng.random() < LOST_COMMITS else Verdict.PASS

    async def kill_a_gateway(self) -> None:
        await self.fleet.replace(self.rng)

    async def empty_redis(self) -> None:
        await self.world.redis.run(lambda client: client.flushall())

    async def lose_all_connections(self) -> None:
        self.proxy.cut()

    async def restart_postgres(self) -> None:
        self.postgres.kill()
        self.postgres.start()

    async def happen(self, until_seconds: float) -> Counter[str]:
        """One after the other; each at least once, in an order of the seed's."""
        common: list[Callable[[], Awaitable[None]]] = [self.empty_redis, self.lose_all_connections]
        rare: list[Callable[[], Awaitable[None]]] = [self.kill_a_gateway, self.restart_postgres]
        first = [*common, *rare]
        self.rng.shuffle(first)
        happened: Counter[str] = Counter()
        while time.monotonic() < until_seconds or first:
            fault = first.pop() if first else self.rng.choice(rare if self.rng.random() < 0.3 else common)
            await fault()
            happened[getattr(fault, "__name__", "?")] += 1
            await asyncio.sleep(self.rng.uniform(0.5, 3.0))
        return happened


@pytest.fixture
def seed() -> int:
    """Of the environment, to play the same dice again; printed when the test fails."""
    return int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(2**32))


@pytest.fixture
async def world(disposable_postgres: EmbeddedPostgres, disposable_valkey: EmbeddedValkey) -> AsyncIterator[World]:
    async with made_world(disposable_postgres.url, disposable_valkey.url) as made:
        await made.set_balance(200)
        yield made


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_whatever_was_told_of_money_is_so_after_a_minute_of_faults(
    world: World,
    nest: GatewayNest,
    disposable_postgres: EmbeddedPostgres,
    disposable_valkey: EmbeddedValkey,
    seed: int,
) -> None:
    print(f"{SEED_VARIABLE}={seed}")  # noqa: T201 - shown when it fails
    rng = random.Random(seed)
    async with (
        postgres_proxy(disposable_postgres.url) as proxy,
        fleet(nest, proxy.url, disposable_valkey.url) as gateways,
        httpx2.AsyncClient(timeout=30) as http,
    ):
        node = await Postgres.open(proxy.url)
        faults = Faults(gateways, world, proxy, disposable_postgres, rng)
        people = People(gateways, world.postgres, node, http, time.monotonic() + SECONDS)
        proxy.hook = faults.judge
        async with asyncio.TaskGroup() as tasks:
            crowd = (
                (people.give, GIVERS),
                (people.chat, CHATTERS),
                (people.administer, ADMINS),
                (people.refund, REFUNDERS),
            )
            for act, count in crowd:
                for number in range(count):
                    dice = random.Random(f"{seed} {act.__name__} {number}")
                    tasks.create_task(people.again_and_again(act, dice))
            happening = tasks.create_task(faults.happen(people.until_seconds))
        proxy.hook = pass_on
        print(happening.result(), {name: len(value) for name, value in vars(people.told).items()})  # noqa: T201
        await eventually(lambda: all_is_settled(world, people.told), SETTLED_WITHIN_SECONDS)
        await eventually(lambda: agree(world), AGREED_WITHIN_SECONDS)
        await node.close()
    await expect_all_of_it(world, people.told)


async def all_is_settled(world: World, told: Told) -> bool:
    """Whether what was paid has settled, and no answer runs without anybody."""
    try:
        return not await world.postgres.pool.fetchval(
            """
            SELECT EXISTS (SELECT 1 FROM contribution WHERE id = ANY($1) AND status NOT IN ('SETTLED', 'REVERSED'))
                   OR EXISTS (SELECT 1 FROM chat WHERE state = 'ANSWERING' OR credit_state = 'CHARGED')
            """,
            list(told.paid),
        )
    except Exception as error:
        if not is_outage(error):
            raise
        return False


async def agree(world: World) -> bool:
    """Whether the ledger is right (at once), and Redis has nothing else (in time)."""
    report = await check(world.postgres, world.redis)
    assert report.findings == ()
    return report.differences == ()


async def expect_all_of_it(world: World, told: Told) -> None:
    """Look each acknowledged write up in the rows."""
    fetch = world.postgres.pool.fetch
    made = await fetch(
        "SELECT id, amount_cents FROM contribution WHERE coalesce(provider_reference, '') NOT LIKE 'demo-%'"
    )
    assert told.contributions == {row["id"]: row["amount_cents"] for row in made}  # none was made twice
    paid = await fetch(
        'SELECT contribution_id, sum(amount_cents)::bigint AS cents FROM "transaction"'
        " WHERE reverses_id IS NULL GROUP BY contribution_id"
    )
    settled = {row["contribution_id"]: row["cents"] for row in paid}
    assert {one: told.contributions[one] for one in told.paid}.items() <= settled.items()
    reversals = await fetch('SELECT id, reverses_id, amount_cents FROM "transaction" WHERE reversed_by IS NOT NULL')
    assert told.reversals == {row[0]: (row[1], row[2]) for row in reversals}
    await expect_refunds(world, told)
    messages = await fetch("SELECT chat_id, id FROM message WHERE type = 'USER'")
    assert told.messages <= {tuple(row) for row in messages}
    charged = await fetch("SELECT id FROM chat WHERE credit_state IN ('SPENT', 'REFUNDED')")
    assert {chat_id for chat_id, _ in told.messages} <= {row["id"] for row in charged}
    claims = {row["id"]: row["user_id"] for row in await fetch("SELECT id, user_id FROM session")}
    assert told.claims.items() <= claims.items()
    assert all((told.contributions, told.paid, told.messages, told.reversals, told.claims, told.refunds)), told


async def expect_refunds(world: World, told: Told) -> None:
    """Each was taken back once, or is kept with the reason that it could not be: an admin was there before."""
    rows = await world.postgres.pool.fetch(
        """
        SELECT contribution_id, -sum(amount_cents)::bigint AS cents FROM "transaction"
         WHERE reverses_id IS NOT NULL AND provider_reference LIKE 'sandbox_refund_%' GROUP BY contribution_id
        """
    )
    taken = {row["contribution_id"]: row["cents"] for row in rows}
    events = await world.postgres.pool.fetch(
        "SELECT payload ->> 'contribution' AS id, problem FROM provider_event WHERE type = 'payment.refunded'"
    )
    problems = {UUID(row["id"]): row["problem"] for row in events}
    assert told.refunds.keys() <= problems.keys()
    for contribution_id, cents in told.refunds.items():
        if problems[contribution_id] is None:
            assert taken[contribution_id] == cents
        else:
            assert problems[contribution_id] == "REFUND_REFUSED"
            assert contribution_id not in taken
