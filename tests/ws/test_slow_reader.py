"""A reader that does not read: it never slows the others, and it is let go."""

import asyncio
import contextlib
import json

import pytest

from tests.support.gateways import LocalGateway
from tests.support.slow_peers import connect_with_small_buffers
from tests.support.socket_client import ChatView, of_kind
from tests.support.waiting import eventually

CHATS = 6
LONG = "Everything you know. [[tokens=30000 rate=0]]"


@pytest.mark.long
@pytest.mark.timeout(90)
async def test_who_never_reads_is_closed_and_the_others_do_not_wait(gateway: LocalGateway) -> None:
    reader = await gateway.connect()
    stuck = await connect_with_small_buffers(gateway)
    for number in range(CHATS):
        opened = await reader.open_chat("deep-sea-lab", f"open-000{number}")
        await stuck.send(json.dumps({"t": "sub", "rid": 2 + number, "chat": opened["chat"]}))
        done = await reader.ask(opened["k"], LONG, f"idem-000{number}")
        view = ChatView(opened["k"])
        for frame in reader.frames:
            view.apply(frame)
        assert len(view.texts[done["id"]]) == done["len"]
    await eventually(lambda: len(gateway.gateway.sockets) == 1, deadline_seconds=60)
    assert (await reader.call("watch", channel="night-kitchen"))["t"] == "ok"
    with contextlib.suppress(Exception):
        await stuck.close()


async def test_a_slow_reader_that_wakes_up_has_the_whole_answer(gateway: LocalGateway) -> None:
    reader = await gateway.connect()
    slow = await connect_with_small_buffers(gateway)
    opened = await reader.open_chat("deep-sea-lab")
    await slow.send(json.dumps({"t": "sub", "rid": 2, "chat": opened["chat"]}))
    done = await reader.ask(opened["k"], LONG, "idem-0001")
    view = ChatView(1)
    async with asyncio.timeout(20):
        while done["id"] not in view.done:
            data = json.loads(await slow.recv())
            for frame in data if isinstance(data, list) else [data]:
                view.apply(frame)
    assert view.done[done["id"]]["sha"] == done["sha"]
    assert (await reader.wait_for(of_kind("credit", why="spend")))["balance"] == 49
    await slow.close()
