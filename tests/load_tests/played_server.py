"""A websocket server that plays the same frames to every question, right or wrong."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.support.socket_client import Frame

READY = {"t": "ready", "conn": "c", "node": "n", "who": {"kind": "session", "ref": 1}, "hb": 25_000, "rj": 3_000}
OPENED = {"t": "opened", "k": 1, "chat": "c", "channel": "deep-sea-lab", "epoch": "1", "seq": 0, "mode": "new"}
MORE = {"role": "owner", "state": "open", "credit": {"balance": 1, "state": "none"}, "msgs": []}
USAGE: dict[str, Any] = {"usage": {"used": 0, "cap": 50_000, "left": 50_000}}
REPLIES: Mapping[str, dict[str, Any]] = {"hello": READY, "open": {**OPENED, **MORE, **USAGE}, "send": {"t": "ok"}}


def answer(texts: Sequence[str]) -> list[dict[str, Any]]:
    """The frames of a whole answer, from `user` to `done`."""
    whole = "".join(texts)
    said = {"t": "user", "k": 1, "s": 1, "id": "q", "text": "?", "who": {"ref": 1, "name": "Fan 1"}, "tok": 1}
    start = {"t": "start", "k": 1, "s": 2, "id": "a", "to": "q", "model": "played"}
    deltas = [{"t": "d", "k": 1, "s": 3 + place, "x": text} for place, text in enumerate(texts)]
    sha = sha256(whole.encode()).hexdigest()
    done = {"t": "done", "k": 1, "s": 3 + len(texts), "id": "a", "why": "stop", "len": len(whole), "sha": sha, **USAGE}
    return [said, start, *deltas, done]


@contextlib.asynccontextmanager
async def played_server(frames: Sequence[Frame]) -> AsyncIterator[str]:
    """Serve on a free port; yields the http address."""

    async def play(connection: ServerConnection) -> None:
        async for text in connection:
            command = msgspec.json.decode(text)
            await connection.send(msgspec.json.encode(REPLIES[command["t"]] | {"rid": command["rid"]}).decode())
            for frame in frames if command["t"] == "send" else ():
                await connection.send(msgspec.json.encode(frame).decode())

    async with serve(play, "127.0.0.1", 0, subprotocols=[Subprotocol("tallylight.v1")], compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{port}"
