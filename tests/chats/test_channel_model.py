"""A channel may have a model of its own where the provider knows several."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from server.config import ModelKind
from server.llm.script import Pace
from server.llm.scripted_server import ScriptedServer
from tests.support.gateways import SCRIPTED, local_gateway
from tests.support.world import World, made_world


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedServer]:
    """A compatible server that keeps what it was asked."""
    server = ScriptedServer(Pace(), "usual-model")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def world(postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    """The demo channels."""
    async with made_world(postgres_url, redis_url) as made:
        yield made


@pytest.mark.parametrize("own", [None, "tuned-for-the-deep"])
async def test_the_model_that_is_asked_is_the_channels(
    postgres_url: str, redis_url: str, world: World, upstream: ScriptedServer, own: str | None
) -> None:
    await world.postgres.pool.execute("UPDATE channel SET model = $1", own)
    model = replace(SCRIPTED, kind=ModelKind.OPENAI, name="usual-model", base_url=upstream.base_url, api_key="key")
    async with local_gateway(postgres_url, redis_url, model=model) as gateway:
        client = await gateway.connect()
        opened = await client.open_chat("deep-sea-lab")
        await client.ask(opened["k"], "Hello. [[tokens=5]]", "idem-0001")
    assert client.of("start")[0]["model"] == (own or "usual-model")
    assert upstream.requests[-1].model == (own or "usual-model")
