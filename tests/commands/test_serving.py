"""uvicorn as we start it: a real server process, real sockets, real signals."""

import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.sync.client import connect

from server.serving import NOT_SENT_BYTES, CannotListen, PortTaken, address_of, listen
from tests.support.waiting import wait_for

PROGRAM = """
    import asyncio, sys, time
    from contextlib import asynccontextmanager
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route, WebSocketRoute
    from server.logs import configure_logs
    from server.serving import listen, serve

    class Gateway:
        async def drain(self, answers_seconds):
            print("drain", answers_seconds, flush=True)
            await asyncio.sleep(float(sys.argv[1]))
            print("drained", flush=True)

    @asynccontextmanager
    async def lifespan(app):
        app.state.gateway = Gateway()
        yield
        print("lifespan over", flush=True)

    async def hello(request):
        return PlainTextResponse("hello")

    async def socket(websocket):
        if not websocket.scope["subprotocols"]:
            await websocket.send_denial_response(PlainTextResponse("no subprotocol", 400))
            return
        await websocket.accept(subprotocol="tallylight.v1")
        async for text in websocket.iter_text():
            await websocket.send_text(text)
        print("socket over", flush=True)

    async def watch():
        if len(sys.argv) > 2:
            raise RuntimeError(sys.argv[2])

    configure_logs(json_lines=True, level=20)
    app = Starlette(routes=[Route("/", hello), WebSocketRoute("/ws", socket)], lifespan=lifespan)
    listener = listen("127.0.0.1", 0)
    print(listener.getsockname()[1], flush=True)
    serve(app, listener, drain_seconds=0.5, on_ready=lambda: print("ready", flush=True), watch=watch)
    print("served", flush=True)
"""


class Running:
    """The program above, and what it said."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.output, self.errors = folder / "out", folder / "err"
        argv = [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments]
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.process = subprocess.Popen(argv, stdout=output, stderr=errors)
        wait_for(lambda: self.said("ready"))
        self.port = int(self.lines()[0])

    def lines(self) -> list[str]:
        return self.output.read_text().splitlines()

    def said(self, line: str) -> bool:
        return line in self.lines()

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*arguments: str) -> Running:
        started.append(Running(tmp_path, *arguments))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_drain_comes_before_sockets_close(run: Callable[..., Running], number: signal.Signals) -> None:
    running = run("0.3")
    with connect(running.ws_url, subprotocols=["tallylight.v1"]) as client:  # type: ignore[list-item]
        running.process.send_signal(number)
        wait_for(lambda: running.said("drain 0.5"))
        client.send("still here")
        assert client.recv() == "still here"
        assert running.process.wait(5) == 0
    assert running.lines()[2:] == ["drain 0.5", "drained", "socket over", "lifespan over", "served"]


def test_no_connection_is_taken_during_the_drain(run: Callable[..., Running]) -> None:
    running = run("0.4")
    assert httpx2.get(f"http://127.0.0.1:{running.port}/").text == "hello"
    running.process.send_signal(signal.SIGTERM)
    wait_for(lambda: running.said("drain 0.5"))
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.1:{running.port}/")


def test_a_drain_that_overruns_is_ended(run: Callable[..., Running]) -> None:
    running = run("60")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(5) == 0
    assert not running.said("drained")
    assert "drain_overran" in running.errors.read_text()


def test_a_second_signal_cuts_the_drain_short(run: Callable[..., Running]) -> None:
    running = run("0.4")
    running.process.send_signal(signal.SIGINT)
    wait_for(lambda: running.said("drain 0.5"))
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(5) == 0
    assert not running.said("drained")
    assert running.said("served")


def test_what_the_watch_raises_ends_the_server(run: Callable[..., Running]) -> None:
    running = run("0", "the database is gone")
    assert running.process.wait(5) == 1
    assert running.said("drained")
    assert "RuntimeError: the database is gone" in running.errors.read_text()


def test_nonsense_of_clients_leaves_no_line_in_the_log(run: Callable[..., Running]) -> None:
    running = run("0")
    with socket.create_connection(("127.0.0.1", running.port)) as raw:
        raw.sendall(handshake(running.port))
        assert b"101" in raw.recv(4_096)
        raw.sendall(text_frame(b"\xff\xfe"))
        assert closing_code(raw) == 1007
    answer = httpx2.get(f"http://127.0.0.1:{running.port}/ws", headers=upgrade_headers())
    assert answer.status_code == 400
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(5)
    assert "Traceback" not in running.errors.read_text()
    assert '"level": "error"' not in running.errors.read_text()


def test_frames_end_at_64_kib(run: Callable[..., Running]) -> None:
    running = run("0")
    with connect(running.ws_url, subprotocols=["tallylight.v1"]) as client:  # type: ignore[list-item]
        client.send("x" * 65_536)
        assert len(client.recv()) == 65_536
        client.send("x" * 65_537)
        with pytest.raises(Exception, match="1009"):
            client.recv()


def test_the_kernel_takes_little_for_a_reader_who_stopped() -> None:
    with listen("127.0.0.1", 0) as listener:
        listener.setblocking(True)
        reader = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        with reader, accepted:
            lowat = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)
            assert lowat == NOT_SENT_BYTES
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 65_536


def test_a_taken_port_that_was_asked_for_is_an_error() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(PortTaken) as caught:
        listen("127.0.0.1", listener.getsockname()[1])
    assert "--port" in caught.value.remedy


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_a_host_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(CannotListen, match=host) as caught:
        listen(host, 0)
    assert "--host" in caught.value.remedy


def test_the_usual_port_gives_way_to_the_next_free_one() -> None:
    with listen("127.0.0.1", None) as first, listen("127.0.0.1", None) as second:
        assert second.getsockname()[1] > first.getsockname()[1] >= 8420


def upgrade_headers() -> dict[str, str]:
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }


def handshake(port: int) -> bytes:
    headers = upgrade_headers() | {"Host": f"127.0.0.1:{port}", "Sec-WebSocket-Protocol": "tallylight.v1"}
    lines = ["GET /ws HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


def text_frame(payload: bytes) -> bytes:
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
    return bytes([0x81, 0x80 | len(payload)]) + mask + masked


def closing_code(raw: socket.socket) -> int:
    header = raw.recv(2)
    assert header[0] == 0x88
    code: int = struct.unpack("!H", raw.recv(header[1])[:2])[0]
    return code


@pytest.mark.parametrize(
    ("host", "reached_at"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")]
)
def test_this_machine_reaches_what_listens_on_any_of_its_addresses(host: str, reached_at: str) -> None:
    with listen(host, 0) as listener:
        assert address_of(listener) == f"http://{reached_at}:{listener.getsockname()[1]}"
