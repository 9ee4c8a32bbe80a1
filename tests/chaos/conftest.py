"""The demo channels with clean books at the end, and gateways as processes that can be killed."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.chaos.stage import Stage
from tests.support.forked_gateways import GatewayNest, gateway_nest
from tests.support.world import World, made_world


@pytest.fixture
async def world(postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    """The demo channels, with credits for every story; clean books at the end."""
    async with made_world(postgres_url, redis_url) as made:
        await made.set_balance(10_000)
        yield made


@pytest.fixture(scope="session")
def nest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayNest]:
    """Makes gateways as processes of their own."""
    with gateway_nest(tmp_path_factory.mktemp("gateways")) as made:
        yield made


@pytest.fixture
def stage(world: World, nest: GatewayNest, postgres_url: str, redis_url: str) -> Stage:
    """All of it."""
    return Stage(world, nest, postgres_url, redis_url)
