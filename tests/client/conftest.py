"""A gateway in this loop, with the demo channels, and chats on it; clean books at the end."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.client.recorder import Recorder, running_chat
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


@pytest.fixture
async def recorder(gateway: LocalGateway) -> AsyncIterator[Recorder]:
    """A visitor's chat that runs, with everything that it is told."""
    async with contextlib.AsyncExitStack() as stack:
        yield await stack.enter_async_context(running_chat(gateway.url, await gateway.visit()))
