"""The daily quota of an address, raced on two nodes: never more chats than the limit."""

import asyncio

import pytest

from tests.support.crowds import ROOM_FOR_CROWDS, crowd, tally
from tests.support.gateways import local_gateway
from tests.support.socket_client import of_kind
from tests.support.world import World

VISITORS = 40
LIMIT = 3
LASTING = "[[delay_ms=60000]]"
SETTINGS = {**ROOM_FOR_CROWDS, "chat.visitor_chats_per_day": str(LIMIT)}


async def counted(world: World) -> list[int]:
    """The counters of addresses."""
    rows = await world.postgres.pool.fetch("SELECT chats FROM visitor_quota WHERE subject LIKE 'a:%'")
    return [row["chats"] for row in rows]


async def charged(world: World) -> int:
    """How many chats were charged."""
    return int(await world.postgres.pool.fetchval("SELECT count(*) FROM credit_entry WHERE kind = 'CHAT'"))


async def test_an_address_never_gets_more_than_its_limit(postgres_url: str, redis_url: str, world: World) -> None:
    async with (
        local_gateway(postgres_url, redis_url, settings=SETTINGS) as one,
        local_gateway(postgres_url, redis_url, settings=SETTINGS) as other,
    ):
        guests = await crowd(world, [one, other], VISITORS)
        replies = await asyncio.gather(*(guest.send("Hello [[tokens=3 delay_ms=0]]") for guest in guests))
    assert tally(replies) == {"ok": LIMIT, "quota_exceeded": VISITORS - LIMIT}
    assert await counted(world) == [LIMIT]
    assert await charged(world) == LIMIT


@pytest.mark.parametrize(("question", "why"), [("[[break=500]]", "error"), (LASTING, "user_stop")])
async def test_a_failure_of_the_provider_is_given_back_and_a_stop_is_not(
    postgres_url: str, redis_url: str, world: World, question: str, why: str
) -> None:
    async with (
        local_gateway(postgres_url, redis_url, settings=SETTINGS) as one,
        local_gateway(postgres_url, redis_url, settings=SETTINGS) as other,
    ):
        guests = await crowd(world, [one, other], LIMIT)
        replies = await asyncio.gather(*(guest.send(question) for guest in guests))
        assert tally(replies) == {"ok": LIMIT}
        for guest in guests:
            start = await guest.client.wait_for(of_kind("start"))
            if why == "user_stop":
                await guest.client.call("stop", k=guest.k, msg=start["id"])
            assert (await guest.done())["why"] == why
            await guest.client.wait_for(of_kind("closed", why="refunded"))
    assert await counted(world) == [LIMIT if why == "user_stop" else 0]
    assert await charged(world) == LIMIT
