"""A gateway on the real servers, with the demo channels; the ledger is checked after each test."""

from collections.abc import AsyncIterator

import pytest

from tests.support.gateways import LocalGateway, local_gateway
from tests.support.world import World, made_world


@pytest.fixture
async def world(postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    """The demo channels; clean books at the end."""
    async with made_world(postgres_url, redis_url) as made:
        yield made


@pytest.fixture
async def gateway(postgres_url: str, redis_url: str, world: World) -> AsyncIterator[LocalGateway]:
    """A gateway in this loop."""
    async with local_gateway(postgres_url, redis_url) as running:
        yield running
