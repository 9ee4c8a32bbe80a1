"""Open stores on the servers of the test run."""

from collections.abc import AsyncIterator

import pytest

from server.storage.postgres import Postgres
from server.storage.redis import Redis


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Postgres]:
    opened = await Postgres.open(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    opened = Redis.open(redis_url)
    yield opened
    await opened.close()
