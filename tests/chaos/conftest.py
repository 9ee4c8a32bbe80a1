"""The demo channels with clean books at the end, and gateways as processes that can be killed."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.chaos.stage import NewStage, Stage, made_stage
from tests.support.databases import Databases
from tests.support.forked_gateways import GatewayNest, gateway_nest


@pytest.fixture(scope="session")
def nest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayNest]:
    """Makes gateways as processes of their own."""
    with gateway_nest(tmp_path_factory.mktemp("gateways")) as made:
        yield made


@pytest.fixture
async def stage(nest: GatewayNest, postgres_url: str, redis_url: str) -> AsyncIterator[Stage]:
    """All of it."""
    async with made_stage(nest, postgres_url, redis_url) as made:
        yield made


@pytest.fixture
def new_stage(nest: GatewayNest, databases: Databases, redis_url: str) -> NewStage:
    """Makes stages for plays at the same time whose gateways must not see each other: each has its own database."""

    @contextlib.asynccontextmanager
    async def make() -> AsyncIterator[Stage]:
        name = databases.create()
        try:
            async with made_stage(nest, databases.url(name), redis_url) as made:
                yield made
        finally:
            databases.drop(name)

    return make
