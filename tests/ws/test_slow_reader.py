"""A reader that does not read: it never slows the others, and it is let go."""

import asyncio
import contextlib
import json
import socket

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.support.gateways import LocalGateway
from tests.support.socket_client import ChatView, of_kind
from tests.support.waiting import eventually

CHATS = 6
LONG = "Everything you know. [[tokens=30000 rate=0]]"


async def connect_with_small_buffers(gateway: LocalGateway, cookie: str) -> ClientConnection:
    """A client that takes next to nothing: 4 KiB in the kernel, one frame in the library."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    host, port = gateway.url.removeprefix("http://").split(":")
    await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
    return await connect(
        f"ws://{host}:{port}/ws",
        sock=raw,
        origin=Origin(gateway.url),
        additional_headers={"Cookie": cookie},
        subprotocols=[Subprotocol("tallylight.v1")],
        compression=None,
        max_queue=1,
        max_size=512 * 1024,
        ping_interval=None,
    )


@pytest.mark.long
@pytest.mark.timeout(90)
async def test_who_never_reads_is_closed_and_the_others_do_not_wait(gateway: LocalGateway) -> None:
    reader = await gateway.connect()
    stuck = await connect_with_small_buffers(gateway, gateway.cookie or "")
    await stuck.send(json.dumps({"t": "hello", "rid": 1, "client": "test/1"}))
    await stuck.recv()
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
    slow = await connect_with_small_buffers(gateway, gateway.cookie or "")
    await slow.send(json.dumps({"t": "hello", "rid": 1, "client": "test/1"}))
    await slow.recv()
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
