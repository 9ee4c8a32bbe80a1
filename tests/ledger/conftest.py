"""Open stores on the servers of the test run, and books to keep."""

from collections.abc import AsyncIterator

import pytest

from server.ledger.credits import Credits
from server.storage.postgres import Postgres
from server.storage.redis import Redis
from tests.ledger.books import Books
from tests.support.patient_redis import PATIENT_REDIS


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Postgres]:
    opened = await Postgres.open(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    opened = Redis.open(redis_url, PATIENT_REDIS)
    yield opened
    await opened.close()


@pytest.fixture
async def books(postgres: Postgres) -> AsyncIterator[Books]:
    """Books to keep; they are checked at the end, whatever the test was about."""
    made = Books(postgres)
    yield made
    if not made.are_broken:
        await made.assert_clean()


@pytest.fixture
def channel_credits(postgres: Postgres, redis: Redis) -> Credits:
    return Credits(postgres, redis)
