"""A node finds its lease overdue, as it does after a freeze, and another one has taken a chat meanwhile: nothing that
was said of it here, and had not left, leaves any more."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from server.chats.live_chat import LiveChat
from server.chats.nodes import Node
from server.domain.events import Delta
from tests.support.gateways import LocalGateway
from tests.support.slow_peers import connect_with_small_buffers
from tests.support.socket_client import of_kind
from tests.support.waiting import eventually
from tests.support.world import World

PIECE: Final = "x" * 4_096
PIECES_MAX: Final = 200
"""More than all buffers between here and a peer that does not read take, and less than the outbox of one."""


def held(gateway: LocalGateway, chat_id: str) -> LiveChat:
    """A chat as this node has it."""
    chat = gateway.gateway.live_chats.held(UUID(chat_id))
    assert chat is not None
    return chat


@contextlib.asynccontextmanager
async def thawed(node: Node) -> AsyncIterator[None]:
    """A node that has slept for longer than its lease, and has not yet asked what it has lost."""
    async with node._renewing:
        node._overdue_at_seconds = -math.inf
        yield


async def take_away(world: World, chat: LiveChat) -> None:
    """What another node does that takes the chat."""
    await world.postgres.pool.execute(
        "UPDATE chat SET epoch = epoch + 1, owner_node = NULL WHERE id = $1", chat.facts.id
    )


async def test_of_a_lost_chat_only_what_is_stored_is_shown(gateway: LocalGateway, world: World) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    await client.ask(opened["k"], "Soon done. [[tokens=3]]", "idem-0001")
    chat, after = held(gateway, opened["chat"]), len(client.frames)
    async with thawed(gateway.gateway.node):
        await take_away(world, chat)
        chat.publish(Delta("said too late"))
        chat.publish_usage()
    await client.wait_for(of_kind("opened", epoch="0"), after=after)
    await client.send_raw('{"t":"ping","n":7}')
    await client.wait_for(of_kind("pong"), after=after)
    assert [frame["t"] for frame in client.frames[after:]] == ["opened", "pong"]


async def test_a_chat_that_was_not_lost_goes_on(gateway: LocalGateway) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    await client.ask(opened["k"], "Soon done. [[tokens=3]]", "idem-0001")
    chat, after = held(gateway, opened["chat"]), len(client.frames)
    async with thawed(gateway.gateway.node):
        chat.publish(Delta("said in time"))
        chat.publish_usage()
    await client.wait_for(of_kind("usage"), after=after)
    assert [frame["t"] for frame in client.frames[after:]] == ["d", "usage"]


async def test_what_waited_for_a_slow_reader_is_not_sent_either(gateway: LocalGateway, world: World) -> None:
    reader = await gateway.connect()
    opened = await reader.open_chat("deep-sea-lab")
    await reader.ask(opened["k"], "Soon done. [[tokens=3]]", "idem-0001")
    await reader.close()
    slow = await connect_with_small_buffers(gateway)
    await slow.send(json.dumps({"t": "sub", "rid": 2, "chat": opened["chat"]}))
    chat = held(gateway, opened["chat"])
    await eventually(lambda: chat.followers)
    (connection,) = gateway.gateway.sockets._open
    for _ in range(PIECES_MAX):
        chat.publish(Delta(PIECE))
        await asyncio.sleep(0)
        if not connection._line.writable.is_set():
            break
    chat.publish(Delta("said too late"))
    await asyncio.sleep(0)  # the writer has it, if anybody takes what cannot be sent yet
    async with thawed(gateway.gateway.node):
        await take_away(world, chat)
    frames: list[dict[str, object]] = []
    async with asyncio.timeout(20):
        while not any(frame["t"] == "opened" and frame["epoch"] == "0" for frame in frames):
            data = json.loads(await slow.recv())
            frames += data if isinstance(data, list) else [data]
    assert not any("said too late" in str(frame.get("x")) for frame in frames)
    await slow.close()
