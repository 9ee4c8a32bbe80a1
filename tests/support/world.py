"""The world of a test: the demo channels as `tallylight run` makes them, with books that can be checked."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from server.channels.demo import ensure_demo_channels
from server.ledger.adjustments import Adjustment, adjust
from server.ledger.audit import check
from server.ledger.credits import Credits
from server.ledger.demo_contributions import ensure_demo_contributions
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from server.storage.redis import Redis


@contextlib.asynccontextmanager
async def made_world(postgres_url: str, redis_url: str) -> AsyncIterator["World"]:
    """The demo channels on these servers; the ledger is checked at the end."""
    async with contextlib.AsyncExitStack() as stack:
        postgres = await Postgres.open(postgres_url)
        stack.push_async_callback(postgres.close)
        redis = Redis.open(redis_url)
        stack.push_async_callback(redis.close)
        world = await World.make(postgres, redis)
        yield world
        await world.check_ledger()


@dataclass(frozen=True, slots=True)
class World:
    """The demo channels of one database.

    Attributes:
        on_air: id of `deep-sea-lab`.
        pending: id of `night-kitchen`.
    """

    postgres: Postgres
    redis: Redis
    on_air: UUID
    pending: UUID

    @classmethod
    async def make(cls, postgres: Postgres, redis: Redis, *, balance: int = 50) -> "World":
        """Make both channels; `deep-sea-lab` gets this balance."""
        ids = await ensure_demo_channels(postgres)
        world = cls(postgres, redis, ids["deep-sea-lab"], ids["night-kitchen"])
        await ensure_demo_contributions(
            postgres, Credits(postgres, redis), deep_sea_lab=world.on_air, night_kitchen=world.pending
        )
        await world.set_balance(balance)
        return world

    async def set_balance(self, balance: int) -> None:
        """Adjust the credits of `deep-sea-lab` to this figure."""
        by_credits = balance - await self.balance()
        if by_credits:
            adjustment = Adjustment(new_id(), self.on_air, by_credits, "for a test")
            await adjust(self.postgres, Credits(self.postgres, self.redis), adjustment)

    async def balance(self) -> int:
        """The credits of `deep-sea-lab` in Postgres."""
        return int(await self.postgres.pool.fetchval("SELECT credit_balance FROM channel WHERE id = $1", self.on_air))

    async def check_ledger(self) -> None:
        """Fail with the rows that break an invariant."""
        report = await check(self.postgres)
        assert not report.findings, report.findings
