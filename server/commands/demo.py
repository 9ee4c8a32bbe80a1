"""The two channels that `tallylight run` shows: made where they are missing, left alone where they are."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from server.channels.catalog import Catalog, Channel
from server.channels.demo import DEEP_SEA_LAB, NIGHT_KITCHEN, ensure_demo_channels
from server.domain.channels import ChannelStatus
from server.ledger.credits import Credits
from server.ledger.demo_contributions import ensure_demo_contributions
from server.storage.postgres import Postgres
from server.storage.redis import Redis


@dataclass(frozen=True, slots=True)
class DemoChannel:
    """A channel as the start reports it."""

    name: str
    is_on_air: bool
    credits: int
    funding_cents: int
    goal_cents: int


def ensure_demo(database_url: str, redis_url: str) -> Sequence[DemoChannel]:
    """Makes the channels and what fans gave them, as real rows, and reads how they are now. It blocks.

    Somebody else's channel under the same handle is shown and given nothing.

    Raises:
        Refusal: the database does not answer.
        OSError, TimeoutError, asyncpg.PostgresError: it cannot be used.
    """
    return asyncio.run(_ensure(database_url, redis_url))


async def _ensure(database_url: str, redis_url: str) -> Sequence[DemoChannel]:
    postgres = await Postgres.open(database_url)
    redis = Redis.open(redis_url)
    try:
        ids = await ensure_demo_channels(postgres)
        await ensure_demo_contributions(
            postgres,
            Credits(postgres, redis),
            deep_sea_lab=ids.get(DEEP_SEA_LAB.name),
            night_kitchen=ids.get(NIGHT_KITCHEN.name),
        )
        catalog = Catalog(postgres)
        found = [await catalog.find(new.name) for new in (DEEP_SEA_LAB, NIGHT_KITCHEN)]
    finally:
        await redis.close()
        await postgres.close()
    return [_demo_channel(channel) for channel in found if channel is not None]


def _demo_channel(channel: Channel) -> DemoChannel:
    return DemoChannel(
        name=channel.name,
        is_on_air=channel.status is ChannelStatus.ACTIVE,
        credits=channel.credit_balance,
        funding_cents=channel.activation_funding_cents,
        goal_cents=channel.activation_goal_cents,
    )
