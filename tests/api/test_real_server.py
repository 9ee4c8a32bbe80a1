"""What only a real server and real bytes show: HEAD without a body, raw paths, and a websocket left alone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from server.api.security_headers import HEADERS
from tests.api.site import Site
from tests.support.rows import Rows
from tests.support.waiting import eventually


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[int]:
    """Serve on a free port; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http="httptools", ws="websockets-sansio", log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        await eventually(lambda: server.started)
        yield listener.getsockname()[1]
        server.should_exit = True


async def exchange(port: int, request: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.replace("\n", "\r\n").encode())
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_head_has_the_headers_of_get_and_no_body(site: Site, rows: Rows) -> None:
    await rows.channel("lab")
    async with running(site.app()) as port:
        for path in ("/api/channels", "/c/lab", "/static/vendor/vendor.lock.json", "/absent"):
            head = await exchange(port, f"HEAD {path} HTTP/1.1\nHost: x\nConnection: close\n\n")
            lines, _, body = head.partition(b"\r\n\r\n")
            assert body == b"", path
            assert b"content-security-policy: " in lines, path
            assert b"content-length: " in lines, path


async def test_a_host_header_is_never_repeated(site: Site) -> None:
    async with running(site.app()) as port:
        for path in ("/", "/api/channels/", "//evil.test/..", "/c/lab/"):
            answer = await exchange(port, f"GET {path} HTTP/1.1\nHost: evil.test\nConnection: close\n\n")
            assert b"evil.test" not in answer, path
            assert b"location:" not in answer.lower(), path


async def test_the_websocket_path_gets_no_headers_and_no_compression(site: Site) -> None:
    async def greet(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("x" * 5_000)
        await websocket.close()

    app = site.app(WebSocketRoute("/ws", greet))
    async with running(app) as port, websockets.connect(f"ws://127.0.0.1:{port}/ws", compression=None) as socket_:
        assert await socket_.recv() == "x" * 5_000
        assert socket_.response is not None
        assert not {name for name in HEADERS if name in socket_.response.headers}


async def test_a_browser_walks_from_page_to_api_over_real_sockets(site: Site, rows: Rows) -> None:
    await rows.channel("lab")
    async with running(site.app()) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser:
        assert (await browser.get("/c/lab")).status_code == 200
        assert (await browser.get("/api/chats")).json()["items"] == []
