"""Several messages for one chat at the same moment: the same one many times, different ones, from two nodes."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.support.crowds import Guest, join, tally
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.socket_client import Frame
from tests.support.world import World

ROUNDS = 6
SOCKETS = 5
TIMES = 20
PASSING = {"busy", "unavailable"}
"""What a node may answer while the chat is on its way from one to the other: the client sends again."""
QUICK = "Who wins tonight? [[tokens=5 delay_ms=0 rate=0]]"
LASTING = "Tell me everything. [[tokens=2000 delay_ms=0 rate=200]]"


@pytest.fixture
async def one(postgres_url: str, redis_url: str, world: World) -> AsyncIterator[LocalGateway]:
    """A gateway."""
    async with local_gateway(postgres_url, redis_url) as running:
        yield running


@pytest.fixture
async def other(postgres_url: str, redis_url: str, world: World) -> AsyncIterator[LocalGateway]:
    """Another one on the same servers."""
    async with local_gateway(postgres_url, redis_url) as running:
        yield running


async def persist(guest: Guest, text: str, idem: str) -> Frame:
    """Send the same message again for as long as the answer is that it may be tried again."""
    while True:
        reply = await guest.send(text, idem)
        if reply.get("code") not in PASSING:
            return reply
        assert reply["retry"]


async def stored(world: World, guest: Guest) -> list[tuple[int, str, str | None]]:
    """The messages of a chat: (place, type, the caller's id)."""
    rows = await world.postgres.pool.fetch(
        "SELECT seq, type, idem FROM message WHERE chat_id = $1 ORDER BY seq", guest.chat_id
    )
    return [tuple(row) for row in rows]


async def charges(world: World, guest: Guest) -> int:
    """How often the chat was charged."""
    return int(
        await world.postgres.pool.fetchval(
            "SELECT count(*) FROM credit_entry WHERE chat_id = $1 AND kind = 'CHAT'", guest.chat_id
        )
    )


async def test_a_message_sent_twenty_times_at_once_is_one(one: LocalGateway, world: World) -> None:
    for _ in range(ROUNDS):
        guest = await join(world, one)
        guests = [guest, *[await join(world, one, guest.cookie) for _ in range(SOCKETS - 1)]]
        replies = await asyncio.gather(*(guests[number % SOCKETS].send(QUICK) for number in range(TIMES)))
        assert tally(replies) == {"ok": 1, "ok dup": TIMES - 1}
        assert len({reply["msg"] for reply in replies}) == 1
        assert (await guest.done())["why"] == "stop"
        assert await stored(world, guest) == [(1, "USER", "idem-0001"), (2, "AI", None)]
        assert await charges(world, guest) == 1


async def test_a_message_sent_twenty_times_at_once_to_two_nodes_is_one(
    one: LocalGateway, other: LocalGateway, world: World
) -> None:
    for _ in range(ROUNDS):
        guest = await join(world, one)
        guests = [guest, *[await join(world, (one, other)[n % 2], guest.cookie) for n in range(SOCKETS - 1)]]
        replies = await asyncio.gather(
            *(persist(guests[number % SOCKETS], QUICK, "idem-0001") for number in range(TIMES))
        )
        assert tally(replies) == {"ok": 1, "ok dup": TIMES - 1}
        assert len({reply["msg"] for reply in replies}) == 1
        assert await stored(world, guest) == [(1, "USER", "idem-0001"), (2, "AI", None)]
        assert await charges(world, guest) == 1


async def test_of_two_messages_at_once_one_is_answered_and_the_other_told_busy(one: LocalGateway, world: World) -> None:
    for _ in range(ROUNDS):
        guest = await join(world, one)
        twin = await join(world, one, guest.cookie)
        replies = await asyncio.gather(guest.send(LASTING, "idem-aaaa"), twin.send(LASTING, "idem-bbbb"))
        assert tally(replies) == {"ok": 1, "busy": 1}
        assert len(await stored(world, guest)) == 2
        assert await charges(world, guest) == 1
        await guest.client.call("close", k=guest.k)


async def test_of_two_messages_at_once_to_two_nodes_one_is_answered(
    one: LocalGateway, other: LocalGateway, world: World
) -> None:
    for _ in range(ROUNDS):
        guest = await join(world, one)
        twin = await join(world, other, guest.cookie)
        replies = await asyncio.gather(guest.send(LASTING, "idem-aaaa"), twin.send(LASTING, "idem-bbbb"))
        counts = tally(replies)
        assert counts.keys() <= {"ok", *PASSING}
        assert counts["ok"] <= 1
        assert len(await stored(world, guest)) == 2 * counts["ok"]
        assert await charges(world, guest) == counts["ok"]
        winner = (replies[0]["t"] == "ok" and guest) or twin
        await winner.client.call("close", k=winner.k)


async def test_a_visitor_has_one_running_answer_on_two_nodes(
    one: LocalGateway, other: LocalGateway, world: World
) -> None:
    for _ in range(ROUNDS):
        here = await join(world, one, idem="open-here")
        there = await join(world, other, here.cookie, idem="open-there")
        replies = await asyncio.gather(here.send(LASTING), there.send(LASTING))
        assert tally(replies) == {"ok": 1, "busy": 1}
        winner = here if replies[0]["t"] == "ok" else there
        await winner.client.call("close", k=winner.k)
