"""The credit that is kept for a first message goes back when the message is refused."""

from collections.abc import AsyncIterator

import pytest

from server.storage.redis import reservations_key
from tests.support.crowds import join
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.world import World, made_world

QUICK = "Who wins tonight? [[tokens=3 delay_ms=0 rate=0]]"
TOO_LONG = "word " * 3_000


@pytest.fixture
async def world(postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    """The demo channels; clean books at the end."""
    async with made_world(postgres_url, redis_url) as made:
        yield made


@pytest.fixture
async def gateway(postgres_url: str, redis_url: str, world: World) -> AsyncIterator[LocalGateway]:
    async with local_gateway(postgres_url, redis_url) as running:
        yield running


async def reserved(world: World) -> int:
    """How many credits of the channel are kept."""
    return int(await world.redis.run(lambda client: client.zcard(reservations_key(world.on_air))))


async def test_a_message_that_the_first_look_refuses_keeps_no_credit(gateway: LocalGateway, world: World) -> None:
    guest = await join(world, gateway)
    await world.postgres.pool.execute("UPDATE channel SET status = 'INACTIVE' WHERE id = $1", world.on_air)
    assert (await guest.send(QUICK))["code"] == "channel_inactive"
    assert await reserved(world) == 0


async def test_a_message_that_does_not_fit_keeps_no_credit(gateway: LocalGateway, world: World) -> None:
    guest = await join(world, gateway)
    await world.postgres.pool.execute("UPDATE chat SET tokens_used = 49000 WHERE id = $1", guest.chat_id)
    await gateway.gateway.live_chats.reload(guest.chat_id, 1)
    assert (await guest.send(TOO_LONG))["code"] == "too_long_for_remaining"
    assert await reserved(world) == 0


async def test_a_message_that_is_taken_keeps_its_credit_until_the_charge_is_published(
    gateway: LocalGateway, world: World
) -> None:
    guest = await join(world, gateway)
    assert (await guest.send(QUICK))["t"] == "ok"
    await guest.done()
    assert await reserved(world) == 0
    assert await world.balance() == 49
