"""What is added to uvicorn's websocket: a text sent at once is a frame like any other, or it is not sent at all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import connect

from server.serving import listen
from server.ws.uvicorn_socket import SendNow, UvicornSocket, direct_line_of

LENGTH_BORDERS = (0, 125, 126, 65_535, 65_536, 200_000)
"""Where RFC 6455 writes a length in another way, and some between."""


@contextlib.asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The application on a free port, on this kind of socket."""
    with listen("127.0.0.1", 0) as listener:
        server = uvicorn.Server(uvicorn.Config(app, ws=UvicornSocket, lifespan="off", log_config=None))
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(server._serve([listener]))
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}/"
            server.should_exit = True
            await serving


def now_of(scope: Scope) -> SendNow:
    return direct_line_of(scope).send_now


async def test_texts_of_every_length_arrive_in_order() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for length in LENGTH_BORDERS:
            assert now_of(scope)("x" * length)
            await send({"type": "websocket.send", "text": f"behind {length}"})
        await send({"type": "websocket.close", "code": 1000})

    async with served(app) as url, connect(url, compression=None, max_size=None) as client:
        texts = [str(text) async for text in client]
    assert texts[::2] == ["x" * length for length in LENGTH_BORDERS]
    assert texts[1::2] == [f"behind {length}" for length in LENGTH_BORDERS]


async def test_lengths_are_those_of_the_bytes() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert now_of(scope)("é" * 100)
        await send({"type": "websocket.close", "code": 1000})

    async with served(app) as url, connect(url, compression=None) as client:
        assert [text async for text in client] == ["é" * 100]


async def test_nothing_is_sent_before_the_handshake_and_behind_the_close() -> None:
    answers: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        answers.append(now_of(scope)("early"))
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
        answers.append(now_of(scope)("late"))

    async with served(app) as url, connect(url, compression=None) as client:
        assert [text async for text in client] == []
    assert answers == [False, False]


async def test_a_socket_that_cannot_take_more_says_so() -> None:
    sent: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while now_of(scope)(text := "x" * 10_000):
            sent.append(text)
        await send({"type": "websocket.send", "text": "when there is room"})
        await send({"type": "websocket.close", "code": 1000})

    async with served(app) as url, connect(url, compression=None, max_queue=1) as client:
        texts: Sequence[str] = [str(text) async for text in client]
    assert len(texts) == len(sent) + 1
    assert texts[-1] == "when there is room"


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
async def test_another_server_offers_nothing(extensions: dict[str, dict[object, object]]) -> None:
    line = direct_line_of({"type": "websocket", "extensions": extensions})
    assert not line.send_now("x")
    assert line.writable.is_set()
