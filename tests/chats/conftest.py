"""The demo channels, and a provider that is asked over HTTP as a real one."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from server.config import ModelConfig, ModelKind
from server.llm.script import Pace
from server.llm.scripted_server import ScriptedServer
from tests.support.gateways import SCRIPTED, LocalGateway, local_gateway
from tests.support.world import World, made_world

USUAL_MODEL = "usual-model"


@pytest.fixture
async def world(postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    """The demo channels; clean books at the end."""
    async with made_world(postgres_url, redis_url) as made:
        yield made


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedServer]:
    """A provider that keeps what it was asked, and notices who hangs up."""
    server = ScriptedServer(Pace(), USUAL_MODEL)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def upstream_model(upstream: ScriptedServer) -> ModelConfig:
    """The model that this provider has, for a gateway."""
    return replace(SCRIPTED, kind=ModelKind.OPENAI, name=USUAL_MODEL, base_url=upstream.base_url, api_key="key")


@pytest.fixture
async def asking(
    postgres_url: str, redis_url: str, world: World, upstream_model: ModelConfig
) -> AsyncIterator[LocalGateway]:
    """A gateway that asks this provider."""
    async with local_gateway(postgres_url, redis_url, model=upstream_model) as running:
        yield running
