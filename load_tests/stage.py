"""What every server under test finds: PostgreSQL and Valkey with the demo channels, and the model, each a process."""

import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from load_tests import machine
from server.auth.sessions import SessionLimits, Sessions
from server.channels.demo import ensure_demo_channels
from server.embedded.child import Child, Orders
from server.embedded.data_folder import DataFolder
from server.embedded.ports import LOOPBACK, free_port
from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from server.ledger.adjustments import Adjustment, adjust
from server.ledger.audit import check
from server.ledger.credits import Credits
from server.ledger.demo_contributions import ensure_demo_contributions
from server.storage.ids import new_id
from server.storage.migrate import upgrade
from server.storage.postgres import Postgres
from server.storage.redis import Redis

ROOT: Final = Path(__file__).resolve().parent.parent
CHANNEL: Final = "deep-sea-lab"
CREDITS: Final = 1_000_000
READY_SECONDS: Final = 30.0
END_SECONDS: Final = 10.0
LOOK_EVERY_SECONDS: Final = 0.05


class BooksBroken(Exception):
    """The ledger's audit found something after a run."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The services of one measurement.

    Attributes:
        model_url: what an OpenAI client calls `base_url`.
        pids: of the services, by name; their children count with them.
        logs: a folder for what the servers under test print.
    """

    postgres_url: str
    redis_url: str
    model_url: str
    pids: Mapping[str, int]
    logs: Path

    async def sessions(self, count: int) -> Sequence[str]:
        """The tokens of so many new visitors."""
        async with _postgres(self.postgres_url) as postgres:
            sessions = Sessions(postgres, SessionLimits())
            return [(await sessions.create_visitor())[1] for _ in range(count)]

    async def check_books(self) -> None:
        """Raises BooksBroken if the ledger is not as it must be."""
        async with _postgres(self.postgres_url) as postgres:
            report = await check(postgres)
        if report.findings:
            raise BooksBroken(str(report.findings))


@contextlib.contextmanager
def open_stage(*, rate: float, delay_ms: float) -> Iterator[Stage]:
    """Start the services on a new data folder and end them; from the main thread.

    Args:
        rate: tokens a second of each answer.
        delay_ms: what the model waits before its first token.
    """
    with contextlib.ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tallylight-load-")))
        folder = stack.enter_context(DataFolder(path / "data"))
        postgres, valkey = EmbeddedPostgres(folder), EmbeddedValkey(folder)
        for part in (postgres, valkey):
            part.begin()
            stack.callback(part.stop)
            assert part.pid is not None
            machine.pin(part.pid, machine.BENCH_CORE)
        postgres.wait_ready()
        valkey.wait_ready()
        assert postgres.pid is not None
        assert valkey.pid is not None
        upgrade(postgres.url)
        asyncio.run(_make_channels(postgres.url, valkey.url))
        port = free_port()
        arguments = ("load_tests.upstream", "--port", str(port), "--rate", str(rate), "--delay-ms", str(delay_ms))
        upstream = stack.enter_context(python_process(arguments, path / "upstream.log", machine.BENCH_CORE))
        wait_until_answered(f"http://{LOOPBACK}:{port}/v1/models", upstream)
        pids = {"postgres": postgres.pid, "valkey": valkey.pid, "upstream": upstream.pid}
        yield Stage(postgres.url, valkey.url, f"http://{LOOPBACK}:{port}/v1", pids, path)


@contextlib.contextmanager
def python_process(
    module: Sequence[str], log: Path, core: int, environment: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """Run a module of ours with its arguments on one core, and end it."""
    variables = {"PYTHONPATH": str(ROOT), **(environment or {})}
    child = Child(Orders([sys.executable, "-m", *module], env=variables), log)
    machine.pin(child.pid, core)
    try:
        yield child
    finally:
        child.end((signal.SIGTERM, END_SECONDS))


def wait_until_answered(url: str, child: Child) -> None:
    """Returns when the address answers with 200.

    Raises:
        TimeoutError: the process ended, or took too long; its last words are in the text.
    """
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and child.exit_code is None:
        with contextlib.suppress(OSError), urlopen(url, timeout=READY_SECONDS):  # noqa: S310 - loopback
            return
        time.sleep(LOOK_EVERY_SECONDS)
    raise TimeoutError(f"{url} does not answer:\n{child.log_tail()}")


@contextlib.asynccontextmanager
async def _postgres(url: str) -> AsyncIterator[Postgres]:
    postgres = await Postgres.open(url)
    try:
        yield postgres
    finally:
        await postgres.close()


async def _make_channels(postgres_url: str, redis_url: str) -> None:
    """The demo channels, and credits enough for any run."""
    redis = Redis.open(redis_url)
    async with _postgres(postgres_url) as postgres:
        ids = await ensure_demo_channels(postgres)
        credits = Credits(postgres, redis)
        await ensure_demo_contributions(
            postgres, credits, deep_sea_lab=ids["deep-sea-lab"], night_kitchen=ids["night-kitchen"]
        )
        await adjust(postgres, credits, Adjustment(new_id(), ids[CHANNEL], CREDITS, "for a load test"))
    await redis.close()
