"""Gateways as processes of their own, to be killed, frozen and thawed; ready in a fraction of a second."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from server.auth.cookies import LOOPBACK_NAME
from server.auth.sessions import SessionLimits, Sessions
from server.storage.postgres import Postgres
from tests.support.gateways import SECRET, RunningGateway, until_ready
from tests.support.socket_client import SocketClient
from tests.support.waiting import eventually

ORIGIN: Final = "http://127.0.0.1:8420"
"""The pages that all of them believe to be their own."""


async def new_visitor(postgres: Postgres) -> str:
    """A visitor who has seen a page; returns the session cookie as a browser sends it to any gateway."""
    _, token = await Sessions(postgres, SessionLimits()).create_visitor()
    return f"{LOOPBACK_NAME}={token}"


@dataclass
class ForkedGateway(RunningGateway):
    """A gateway in a process of its own.

    Attributes:
        process: the process; it is nobody's child that could be waited for.
    """

    process: psutil.Process | None = None

    async def connect(self, cookie: str | None = None, *, greet: bool = True) -> SocketClient:
        """A socket of the visitor with this cookie."""
        client = await SocketClient.open(self.url, cookie=cookie, origin=ORIGIN)
        self.clients.append(client)
        if greet:
            assert (await client.hello())["t"] == "ready"
        return client

    def kill(self) -> None:
        """SIGKILL; once is as good as twice."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            self.process.kill()

    def freeze(self) -> None:
        """SIGSTOP: it does nothing until `thaw`, and nobody is told."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def gone(self) -> None:
        """Wait until the process has ended."""
        assert self.process is not None
        await eventually(lambda: not self.process or not self.process.is_running())


class GatewayNest:
    """Makes gateways that share nothing but the programs they loaded."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.gateway_nest"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            start_new_session=True,
        )

    def end(self) -> None:
        """End it and all gateways that still run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _fork(self, environment: Mapping[str, str]) -> tuple[int, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._count += 1
        order = {"environment": environment, "log": str(self._logs / f"gateway-{self._count}.log")}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        born = json.loads(self._process.stdout.readline())
        return born["pid"], born["port"]

    @contextlib.asynccontextmanager
    async def gateway(
        self, postgres_url: str, redis_url: str, environment: Mapping[str, str] | None = None
    ) -> AsyncIterator[ForkedGateway]:
        """A gateway that is ready, with the short leases of the tests; it is killed at the end."""
        pid, port = self._fork(
            {
                "TALLYLIGHT_ENV": "development",
                "TALLYLIGHT_PUBLIC_URL": ORIGIN,
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
                "TALLYLIGHT_SETTING_WS_SOCKETS_PER_ADDRESS": "10000",
                **(environment or {}),
            }
        )
        running = ForkedGateway(f"http://127.0.0.1:{port}", process=psutil.Process(pid))
        try:
            await until_ready(running.url)
            yield running
        finally:
            running.kill()
            for client in running.clients:
                client.abort()
            await running.close_clients()
            await running.gone()


@contextlib.contextmanager
def gateway_nest(logs: Path) -> Iterator[GatewayNest]:
    """A nest whose gateways write their logs into this folder."""
    nest = GatewayNest(logs)
    try:
        yield nest
    finally:
        nest.end()
