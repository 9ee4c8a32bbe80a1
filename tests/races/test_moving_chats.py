"""A chat that two nodes answer in, turn by turn, while its sockets on both follow it: every message is answered once,
to its end, and every socket sees the whole chat."""

import asyncio

from tests.support.crowds import Guest, join
from tests.support.gateways import local_gateway
from tests.support.socket_client import ChatView, Frame, of_kind
from tests.support.waiting import eventually
from tests.support.world import World

TURNS = 24
LOOKS = 6
"""How often a socket asks for the chat while a message is sent on the same node."""
QUICK = "Who wins tonight? [[tokens=5 delay_ms=0 rate=200]]"


async def send_amid_looks(guest: Guest, watcher: Guest, idem: str) -> Frame:
    """Send on one socket while another one of the same node opens the chat again and again; returns `done`."""
    after = len(guest.client.frames)
    looks = [watcher.client.call("sub", chat=str(guest.chat_id)) for _ in range(LOOKS)]
    reply, *opened = await asyncio.gather(guest.send(QUICK, idem), *looks)
    assert reply["t"] == "ok", reply
    assert {frame["t"] for frame in opened} == {"opened"}
    return await guest.client.wait_for(of_kind("done", k=guest.k), after=after)


def view_of(guest: Guest) -> ChatView:
    """The chat as the guest's socket has shown it."""
    view = ChatView(guest.k)
    for frame in guest.client.frames:
        view.apply(frame)
    return view


async def test_a_chat_moves_between_two_nodes_with_every_message(
    postgres_url: str, redis_url: str, world: World
) -> None:
    async with (
        local_gateway(postgres_url, redis_url, settings={"ws.commands_per_second": "1000"}) as one,
        local_gateway(postgres_url, redis_url, settings={"ws.commands_per_second": "1000"}) as other,
    ):
        here = await join(world, one)
        guests = [here, await join(world, other, here.cookie)]
        watchers = [await join(world, gateway, here.cookie) for gateway in (one, other)]
        for turn in range(TURNS):
            done = await send_amid_looks(guests[turn % 2], watchers[turn % 2], f"idem-{turn:04}")
            assert done["why"] == "stop"
        rows = await world.postgres.pool.fetch(
            "SELECT id, content, status FROM message WHERE chat_id = $1 ORDER BY seq", here.chat_id
        )
        assert [row["status"] for row in rows] == ["DONE"] * 2 * TURNS
        stored = {str(row["id"]): row["content"] for row in rows}
        for guest in (*guests, *watchers):
            await eventually(lambda guest=guest: view_of(guest).texts == stored)  # type: ignore[misc]
