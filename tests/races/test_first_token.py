"""A stop that races the first token: a chat is charged if its fan got a token, and refunded if not."""

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count

import pytest

from tests.support.crowds import ROOM_FOR_CROWDS, Guest, join
from tests.support.gateways import local_gateway
from tests.support.postgres_proxy import Side, Step, Verdict, postgres_proxy
from tests.support.socket_client import Frame, of_kind
from tests.support.world import World

FANS = 12
ROUNDS = 8
SPEND = "credit_state = 'SPENT'"
AT_ONCE = "Who wins tonight? [[tokens=40 delay_ms=0 rate=0]]"


@dataclass
class Pause:
    """Holds the first step that it is for, until it is told to go on."""

    side: Side
    is_commit: bool
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, step: Step) -> Verdict:
        is_meant = step.is_commit_of(SPEND) if self.is_commit else SPEND in step.sql
        if is_meant and step.side is self.side:
            self.reached.set()
            await self.go_on.wait()
        return Verdict.PASS


async def stop_now(guest: Guest, answer: Frame) -> None:
    """Stop an answer from its `start` frame on."""
    stopped = await guest.client.call("stop", k=guest.k, msg=answer["id"])
    assert stopped["t"] == "ok"


async def assert_fair(world: World, guest: Guest) -> None:
    """Charged and a token heard, or refunded and none."""
    done = await guest.done()
    chat = await world.postgres.pool.fetchrow("SELECT state, credit_state FROM chat WHERE id = $1", guest.chat_id)
    assert chat is not None
    content = await world.postgres.pool.fetchval(
        "SELECT content FROM message WHERE chat_id = $1 AND type = 'AI'", guest.chat_id
    )
    assert content == guest.heard
    if guest.heard:
        assert chat["credit_state"] == "SPENT"
    else:
        assert tuple(chat) == ("CLOSED", "REFUNDED")
        assert done["why"] == "user_stop"
        assert (await guest.client.wait_for(of_kind("closed", k=guest.k)))["why"] == "refunded"


@pytest.mark.parametrize("is_commit", [False, True])
@pytest.mark.parametrize("side", [Side.REQUEST, Side.REPLY])
async def test_a_stop_while_the_first_token_is_being_marked(
    postgres_url: str, redis_url: str, world: World, side: Side, is_commit: bool
) -> None:
    async with (
        postgres_proxy(postgres_url) as proxy,
        local_gateway(proxy.url, redis_url) as gateway,
    ):
        guest = await join(world, gateway)
        proxy.hook = pause = Pause(side, is_commit)
        assert (await guest.send(AT_ONCE))["t"] == "ok"
        async with asyncio.timeout(10):
            await pause.reached.wait()
        await stop_now(guest, await guest.client.wait_for(of_kind("start")))
        pause.go_on.set()
        await assert_fair(world, guest)


async def test_many_stops_at_many_moments(postgres_url: str, redis_url: str, world: World) -> None:
    await world.set_balance(FANS * ROUNDS)
    async with local_gateway(postgres_url, redis_url, settings=ROOM_FOR_CROWDS) as gateway:
        numbers = count()

        async def visit() -> Guest:
            guest = await join(world, gateway)
            number = next(numbers)
            assert (await guest.send(f"[[tokens=40 delay_ms={number % 7} rate=0]]"))["t"] == "ok"
            start = await guest.client.wait_for(of_kind("start"))
            for lap in range(number % 5):  # the stop comes at once, or some round trips later
                await guest.client.send_raw(json.dumps({"t": "ping", "n": lap}))
                await guest.client.wait_for(of_kind("pong", n=lap))
            await stop_now(guest, start)
            return guest

        for _ in range(ROUNDS):
            for guest in await asyncio.gather(*(visit() for _ in range(FANS))):
                await assert_fair(world, guest)
