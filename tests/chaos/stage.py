"""Where the chaos tests take place."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from tests.support.forked_gateways import ForkedGateway, GatewayNest
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.postgres_proxy import PostgresProxy, postgres_proxy
from tests.support.world import World, made_world

BALANCE = 10_000
"""Credits for every story."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The demo channels, their servers, and gateways on them."""

    world: World
    nest: GatewayNest
    postgres_url: str
    redis_url: str

    @contextlib.asynccontextmanager
    async def process(
        self, postgres_url: str | None = None, environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[ForkedGateway]:
        """A gateway in a process of its own, with another way to Postgres if one is given, and these variables."""
        async with self.nest.gateway(postgres_url or self.postgres_url, self.redis_url, environment) as gateway:
            yield gateway

    @contextlib.asynccontextmanager
    async def gateway(self, postgres_url: str | None = None) -> AsyncIterator[LocalGateway]:
        """A gateway in this loop, with another way to Postgres if one is given."""
        async with local_gateway(postgres_url or self.postgres_url, self.redis_url) as gateway:
            yield gateway

    @contextlib.asynccontextmanager
    async def behind_proxy(self) -> AsyncIterator[tuple[PostgresProxy, LocalGateway]]:
        """A gateway in this loop, and the proxy between it and Postgres."""
        async with postgres_proxy(self.postgres_url) as proxy, self.gateway(proxy.url) as gateway:
            yield proxy, gateway


NewStage = Callable[[], contextlib.AbstractAsyncContextManager[Stage]]


@contextlib.asynccontextmanager
async def made_stage(nest: GatewayNest, postgres_url: str, redis_url: str) -> AsyncIterator[Stage]:
    """The demo channels on these servers, with gateways of this nest; clean books at the end."""
    async with made_world(postgres_url, redis_url) as world:
        await world.set_balance(BALANCE)
        yield Stage(world, nest, postgres_url, redis_url)
