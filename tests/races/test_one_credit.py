"""One credit, and two hundred visitors who want it at the same moment."""

import asyncio

from server.ledger.credits import BALANCE_LIVES_SECONDS
from server.storage.redis import balance_key
from tests.support.crowds import ROOM_FOR_CROWDS, Guest, crowd, tally
from tests.support.forked_gateways import GatewayNest
from tests.support.gateways import local_gateway
from tests.support.world import World

VISITORS = 200
QUESTION = "Who wins tonight? [[tokens=5 delay_ms=0]]"


async def ask_all_at_once(world: World, guests: list[Guest]) -> None:
    """Everybody sends; one is charged and answered, the others are told that there is no credit."""
    replies = await asyncio.gather(*(guest.send(QUESTION) for guest in guests))
    assert tally(replies) == {"ok": 1, "no_credit": VISITORS - 1}
    winner = guests[[reply["t"] for reply in replies].index("ok")]
    assert (await winner.done())["why"] == "stop"
    assert [guest for guest in guests if guest.heard] == [winner]
    rows = await world.postgres.pool.fetch("SELECT chat_id FROM credit_entry WHERE kind = 'CHAT'")
    assert [row["chat_id"] for row in rows] == [winner.chat_id]
    assert await world.balance() == 0


async def promise_a_million(world: World) -> None:
    """Make Redis say that there are plenty of credits, in a version that no publish beats: everybody gets through to
    Postgres."""
    key = balance_key(world.on_air)
    await world.redis.run(lambda client: client.delete(key))
    await world.redis.run(lambda client: client.hset(key, mapping={"b": 1_000_000, "v": 999_999_999_999}))
    await world.redis.run(lambda client: client.pexpire(key, BALANCE_LIVES_SECONDS * 1000))


async def test_one_credit_answers_one_of_two_hundred(postgres_url: str, redis_url: str, world: World) -> None:
    await world.set_balance(1)
    async with local_gateway(postgres_url, redis_url, settings=ROOM_FOR_CROWDS) as gateway:
        await ask_all_at_once(world, await crowd(world, [gateway], VISITORS))


async def test_one_credit_answers_one_on_two_gateways_without_help_from_redis(
    postgres_url: str, redis_url: str, world: World
) -> None:
    await world.set_balance(1)
    async with (
        local_gateway(postgres_url, redis_url, settings=ROOM_FOR_CROWDS) as one,
        local_gateway(postgres_url, redis_url, settings=ROOM_FOR_CROWDS) as other,
    ):
        guests = await crowd(world, [one, other], VISITORS)
        await promise_a_million(world)
        await ask_all_at_once(world, guests)


async def test_one_credit_answers_one_on_two_processes_without_help_from_redis(
    postgres_url: str, redis_url: str, world: World, nest: GatewayNest
) -> None:
    await world.set_balance(1)
    async with nest.gateway(postgres_url, redis_url) as one, nest.gateway(postgres_url, redis_url) as other:
        guests = await crowd(world, [one, other], VISITORS)
        await promise_a_million(world)
        await ask_all_at_once(world, guests)
