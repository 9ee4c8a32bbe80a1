"""The server to compare with: Starlette and uvicorn as Tallylight has them, the model's stream read raw, and nothing
else. No database, no meter, no limits, no replay.

It speaks as much of `tallylight.v1` as one fan with one chat a socket needs, so that the same fan measures both.
`python -m load_tests.bare --port 18432 --model-url http://127.0.0.1:18431/v1`
"""

import argparse
import asyncio
import hashlib
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.llm.event_stream import EventStream
from server.llm.upstream_connection import UpstreamConnection
from server.serving import BACKLOG_CONNECTIONS, FRAME_BYTES, listen
from server.ws.protocol import (
    SUBPROTOCOL,
    Author,
    CreditFigures,
    DeltaFrame,
    DoneFrame,
    Hello,
    Limits,
    Ok,
    Open,
    Opened,
    Ping,
    Pong,
    Ready,
    Send,
    StartFrame,
    UsageFigures,
    UserFrame,
    decode,
    encode,
)
from server.ws.who import Who

ID: Final = "01900000-0000-7000-8000-00000000000"
CHAT, QUESTION, ANSWER = f"{ID}1", f"{ID}2", f"{ID}3"
NO_USAGE: Final = UsageFigures(0, 50_000, 50_000)
K: Final = 1


class Bare:
    """The application of one process."""

    def __init__(self, model_url: str) -> None:
        self._model = urlsplit(model_url)

    async def serve(self, socket: WebSocket) -> None:
        """One websocket; answers run beside the reading, or no pong would be seen."""
        await socket.accept(SUBPROTOCOL)
        try:
            async with asyncio.TaskGroup() as answers:
                while True:
                    command = decode(await socket.receive_text())
                    if isinstance(command, Send):
                        answers.create_task(self._answer(socket, command))
                    elif isinstance(command, Hello | Open):
                        await socket.send_text(_greeting(command))
                    elif isinstance(command, Ping):  # a fan whose turn comes late asks whether it is still there
                        await socket.send_text(encode(Pong(command.n, 0)))
        except* WebSocketDisconnect:
            pass

    async def _answer(self, socket: WebSocket, command: Send) -> None:
        await socket.send_text(encode(Ok(command.rid, 1, QUESTION)))
        await socket.send_text(encode(UserFrame(K, 1, QUESTION, command.text, Author(1, "Fan 1", True), 0)))
        await socket.send_text(encode(StartFrame(K, 2, ANSWER, QUESTION, "scripted")))
        connection = await self._ask(command.text)
        events, texts, s = EventStream(), [], 2
        while not events.is_over and (data := await connection.read()):
            for text in events.feed(data):
                s += 1
                texts.append(text)
                await socket.send_text(encode(DeltaFrame(K, s, text)))
        connection.close()
        whole = "".join(texts)
        digest = hashlib.sha256(whole.encode()).hexdigest()
        await socket.send_text(encode(DoneFrame(K, s + 1, ANSWER, "stop", NO_USAGE, len(whole), digest)))

    async def _ask(self, text: str) -> UpstreamConnection:
        _, connection = await asyncio.get_running_loop().create_connection(
            UpstreamConnection, self._model.hostname or "", self._model.port or 80
        )
        body = msgspec.json.encode(
            {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": text}]}
        )
        headers = [(b"Host", b"model"), (b"Content-Length", b"%d" % len(body))]
        connection.send(b"POST", f"{self._model.path}/chat/completions".encode(), headers, body)
        await connection.read_head()
        return connection


def _greeting(command: Hello | Open) -> str:
    if isinstance(command, Hello):
        limits = Limits(FRAME_BYTES, 16_000, 1)
        return encode(Ready(command.rid, "bare", "bare", Who("session", 1), 25_000, 3_000, limits, 0))
    return encode(
        Opened(
            rid=command.rid,
            k=K,
            chat=CHAT,
            channel=command.channel,
            epoch="1",
            seq=0,
            mode="new",
            role="owner",
            state="open",
            usage=NO_USAGE,
            credit=CreditFigures(0, "none"),
            msgs=[],
        )
    )


async def _ready(_: Request) -> Response:
    return Response()


def application(model_url: str) -> Starlette:
    """The application, which asks the model at that address."""
    return Starlette(routes=[WebSocketRoute("/ws", Bare(model_url).serve), Route("/readyz", _ready)])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="The least that could pass tokens on, on loopback.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model-url", required=True)
    asked = parser.parse_args()
    settings: dict[str, Any] = {"log_config": None, "access_log": False, "server_header": False, "lifespan": "off"}
    with listen("127.0.0.1", asked.port) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                application(asked.model_url),
                loop="uvloop",
                http="httptools",
                ws="websockets-sansio",
                ws_max_size=FRAME_BYTES,
                ws_per_message_deflate=False,
                backlog=BACKLOG_CONNECTIONS,
                timeout_graceful_shutdown=1,
                **settings,
            )
        )
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
