"""Peers that read slowly, or not at all."""

import asyncio
import json
import socket

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.support.gateways import RunningGateway


async def connect_with_small_buffers(gateway: RunningGateway) -> ClientConnection:
    """A client of the gateway's visitor that takes next to nothing, 4 KiB in the kernel and one frame in the library,
    and has said hello."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    host, port = gateway.url.removeprefix("http://").split(":")
    await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
    client = await connect(
        f"ws://{host}:{port}/ws",
        sock=raw,
        origin=Origin(gateway.url),
        additional_headers={"Cookie": gateway.cookie or ""},
        subprotocols=[Subprotocol("tallylight.v1")],
        compression=None,
        max_queue=1,
        max_size=512 * 1024,
        ping_interval=None,
    )
    await client.send(json.dumps({"t": "hello", "rid": 1, "client": "test/1"}))
    await client.recv()
    return client
