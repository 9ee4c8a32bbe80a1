"""Gateways for tests: in the test's own loop, or as a process of its own that can be killed."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import httpx2
import uvicorn
from starlette.applications import Starlette

from server.app import create_app
from server.auth.providers.options import SignInOptions
from server.chats.nodes import LeaseTimes
from server.config import Config, Environment, ModelConfig, ModelKind
from server.gateway import Gateway
from server.ledger.payments.options import PaymentOptions, Taker
from server.serving import listen
from server.ws.uvicorn_socket import UvicornSocket
from tests.support.http_clients import http_client
from tests.support.socket_client import SocketClient

READY_SECONDS: Final = 60.0
SECRET: Final = "a secret of the tests, the same for all"
SHORT_LEASE: Final = LeaseTimes(lease_seconds=1.0, renewal_seconds=0.3, reaper_seconds=0.3)

SCRIPTED: Final = ModelConfig(
    kind=ModelKind.SCRIPTED,
    name="scripted",
    base_url=None,
    api_key="",
    window_tokens=64_000,
    answer_tokens=50_000,
    first_token_timeout_seconds=10.0,
)


@dataclass
class RunningGateway:
    """A gateway that answers.

    Attributes:
        url: its http address.
        cookie: of a visitor who has seen a page; None until `visit`.
    """

    url: str
    clients: list[SocketClient] = field(default_factory=list)
    cookie: str | None = None

    async def visit(self) -> str:
        """Look at a page as a new visitor; returns the session cookie, as a browser sends it."""
        async with http_client(self.url) as http:
            answer = await http.get("/")
            answer.raise_for_status()
            return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())

    async def connect(self, cookie: str | None = None, *, greet: bool = True) -> SocketClient:
        """A socket of a visitor: the first one of the test, or the one with this cookie."""
        if cookie is None:
            self.cookie = self.cookie or await self.visit()
            cookie = self.cookie
        client = await SocketClient.open(self.url, cookie=cookie, origin=self.url)
        self.clients.append(client)
        if greet:
            assert (await client.hello())["t"] == "ready"
        return client

    async def close_clients(self) -> None:
        """Close every socket that `connect` has opened."""
        for client in self.clients:
            await client.close()


@dataclass
class LocalGateway(RunningGateway):
    """A gateway in this process; its parts can be looked at."""

    app: Starlette = field(default_factory=Starlette)

    @property
    def gateway(self) -> Gateway:
        """The chat side."""
        gateway: Gateway = self.app.state.gateway
        return gateway


def test_config(postgres_url: str, redis_url: str, port: int, settings: Mapping[str, str]) -> Config:
    """The configuration of a gateway on this port."""
    return Config(
        environment=Environment.DEVELOPMENT,
        public_urls=(f"http://127.0.0.1:{port}",),
        database_url=postgres_url,
        redis_url=redis_url,
        secret=SECRET,
        model=SCRIPTED,
        setting_texts={"chat.visitor_chats_per_day": "1000000", "limits.factor": "100000", **settings},
        lease=SHORT_LEASE,
        trusted_proxies=(),
        payments=PaymentOptions(Taker.SANDBOX),
        sign_in=SignInOptions(),
        drain_seconds=3.0,
    )


@contextlib.asynccontextmanager
async def local_gateway(
    postgres_url: str,
    redis_url: str,
    *,
    settings: Mapping[str, str] | None = None,
    model: ModelConfig = SCRIPTED,
    trusted_proxies: Sequence[str] = (),
    sign_in: SignInOptions | None = None,
    is_sole: bool = False,
) -> AsyncIterator[LocalGateway]:
    """Run a gateway in this loop on a free port, with uvicorn as in production."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    config = test_config(postgres_url, redis_url, port, settings or {})
    config = replace(
        config, model=model, trusted_proxies=trusted_proxies, sign_in=sign_in or SignInOptions(development=True)
    )
    app = create_app(config, is_sole=is_sole, own_url=f"http://127.0.0.1:{port}")
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            ws=UvicornSocket,
            ws_max_size=65_536,
            ws_per_message_deflate=False,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
    )
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server._serve([listener]))
        await until_ready(f"http://127.0.0.1:{port}")
        running = LocalGateway(f"http://127.0.0.1:{port}", app=app)
        try:
            yield running
        finally:
            await running.close_clients()
            server.should_exit = True
            await serving


async def until_ready(url: str) -> None:
    """Wait until `/readyz` says so."""
    async with asyncio.timeout(READY_SECONDS), http_client(url) as http:
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if (await http.get("/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.02)


@dataclass
class GatewayProcess(RunningGateway):
    """A gateway of its own process."""

    process: "subprocess.Popen[bytes] | None" = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@contextlib.asynccontextmanager
async def gateway_process(
    postgres_url: str,
    redis_url: str,
    *,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    log_path: Path | None = None,
) -> AsyncIterator[GatewayProcess]:
    """Run `tallylight serve` as a process, on a free port or on this one; what it writes goes to a file, if one is
    named."""
    if port is None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    variables = {
        **os.environ,
        "TALLYLIGHT_ENV": "development",
        "TALLYLIGHT_PUBLIC_URL": url,
        "TALLYLIGHT_DATABASE_URL": postgres_url,
        "TALLYLIGHT_REDIS_URL": redis_url,
        "TALLYLIGHT_SECRET": SECRET,
        "TALLYLIGHT_LLM": "scripted",
        "TALLYLIGHT_PAYMENTS": "sandbox",
        "TALLYLIGHT_LEASE_SECONDS": "1",
        "TALLYLIGHT_LEASE_RENEWAL_SECONDS": "0.3",
        "TALLYLIGHT_REAPER_SECONDS": "0.3",
        "TALLYLIGHT_SETTING_CHAT_VISITOR_CHATS_PER_DAY": "1000000",
        "TALLYLIGHT_SETTING_LIMITS_FACTOR": "100000",
        **(environment or {}),
    }
    command = [sys.executable, "-m", "server", "serve", "--host", "127.0.0.1", "--port", str(port)]
    root = Path(__file__).parents[2]
    with contextlib.ExitStack() as files:
        log = None if log_path is None else files.enter_context(log_path.open("wb"))
        process = await asyncio.to_thread(
            lambda: subprocess.Popen(
                command, env=variables, cwd=root, start_new_session=True, stdout=log, stderr=log and subprocess.STDOUT
            )
        )
    running = GatewayProcess(url, process=process)
    try:
        await until_ready(url)
        yield running
    finally:
        await running.close_clients()
        if process.poll() is None:
            process.kill()
        process.wait()
