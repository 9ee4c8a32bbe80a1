"""Many nodes fill a cold key at once, while the balance moves: Redis never holds a figure that Postgres never had."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from server.ledger.credits import Credits
from server.storage.ids import new_id
from server.storage.postgres import Postgres, PostgresLimits
from server.storage.redis import Redis, balance_key
from tests.ledger.books import Books
from tests.support.patient_redis import PATIENT_REDIS

NODES = 8


@pytest.fixture
async def nodes(postgres_url: str, redis_url: str) -> AsyncIterator[list[Credits]]:
    """Credits with connections of their own."""
    postgres = [await Postgres.open(postgres_url, PostgresLimits(pool_connections=2)) for _ in range(NODES)]
    redis = [Redis.open(redis_url, PATIENT_REDIS) for _ in range(NODES)]
    yield [Credits(*stores) for stores in zip(postgres, redis, strict=True)]
    await asyncio.gather(*(one.close() for one in postgres), *(one.close() for one in redis))


async def reseed(books: Books, redis: Redis, nodes: list[Credits], rounds: int) -> None:
    channel_id = await books.channel(credits_=1)
    committed = {(1, 1)}

    async def move(number: int) -> None:
        balance = await books.add_credits(channel_id, 1 if number % 2 else 2)
        committed.add((balance.balance, balance.version))
        if number % 3 == 0:
            await nodes[number % NODES].publish([balance])

    for number in range(rounds):
        await redis.run(lambda client: client.delete(balance_key(channel_id)))
        await asyncio.gather(move(number), *(node.reserve(channel_id, new_id()) for node in nodes))
        assert await pair(redis, channel_id) in committed
    await nodes[0].publish([await books.balance(channel_id)])
    truth = await books.balance(channel_id)
    assert await pair(redis, channel_id) == (truth.balance, truth.version)


async def pair(redis: Redis, channel_id: UUID) -> tuple[int, ...]:
    held = await redis.run(lambda client: client.hmget(balance_key(channel_id), ["b", "v"]))
    return tuple(int(fact) for fact in held if fact is not None)


async def test_a_cold_key_is_reseeded_a_hundred_times(books: Books, redis: Redis, nodes: list[Credits]) -> None:
    await reseed(books, redis, nodes, 100)


@pytest.mark.long
async def test_a_cold_key_is_reseeded_a_thousand_times(books: Books, redis: Redis, nodes: list[Credits]) -> None:
    await reseed(books, redis, nodes, 1_000)
