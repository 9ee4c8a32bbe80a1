"""The real server for browser tests: `tallylight run` as a process, which can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from server.channels.adding import NewChannel, add_channel
from server.commands.place import open_postgres, open_redis
from server.domain.transactions import TransactionType
from server.embedded.ports import free_port
from server.ledger.adjustments import Adjustment, adjust
from server.ledger.contributions import NewContribution, begin, settle
from server.ledger.credits import Credits
from server.storage.ids import new_id
from server.storage.postgres import Connection, Postgres
from tests.support.waiting import wait_for

START_SECONDS: Final = 60.0
END_SECONDS: Final = 10.0
GOAL_CENTS: Final = 1_000
ROOT: Final = Path(__file__).resolve().parents[2]
SETTINGS: Final = {
    "TALLYLIGHT_LLM": "scripted",
    "TALLYLIGHT_SETTING_CHAT_ANSWER_TOKENS": "50000",  # so that two answers fill a chat
}


class LiveServer:
    """A server on one data folder and one port, with the scripted model.

    Attributes:
        url: where it is reached; the same after a restart.
    """

    def __init__(self, data_path: Path) -> None:
        self._data_path = data_path
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [sys.executable, "-m", "server", "run", "--port", str(self._port), "--data-dir", str(self._data_path)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | SETTINGS, stdout=subprocess.DEVNULL, start_new_session=True
        )
        wait_for(self._is_ready, START_SECONDS, every_seconds=0.1)

    def kill(self) -> None:
        """SIGKILL: nobody says goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self._end(signal.SIGINT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(END_SECONDS)
            self._process = None

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False

    async def add_channel(self, name: str, *, credits: int | None) -> str:
        """Add a channel and give its address; on air with these credits, or off air without any if that is None."""
        title = name.replace("-", " ").capitalize()
        async with self.stores() as (postgres, redis_credits):
            channel_id = await add_channel(postgres, NewChannel(name=name, title=title, description="For a test."))
            if credits is not None:
                await _give(postgres, channel_id, GOAL_CENTS)
            if credits:
                await adjust(postgres, redis_credits, Adjustment(new_id(), channel_id, credits, "for a test"))
        return f"{self.url}/c/{name}"

    async def give(self, name: str, amount_cents: int) -> None:
        """Somebody gives this toward the activation of a channel."""
        async with self.stores() as (postgres, _):
            await _give(postgres, await _id_of(postgres, name), amount_cents)

    async def adjust_credits(self, name: str, by_credits: int) -> None:
        """Change a channel's balance."""
        async with self.stores() as (postgres, redis_credits):
            channel_id = await _id_of(postgres, name)
            await adjust(postgres, redis_credits, Adjustment(new_id(), channel_id, by_credits, "for a test"))

    async def pause(self, name: str) -> None:
        """Take a channel off air, as an admin does."""
        async with self.stores() as (postgres, _):
            await postgres.pool.execute("UPDATE channel SET status = 'INACTIVE' WHERE name = $1", name)

    @contextlib.asynccontextmanager
    async def stores(self) -> AsyncIterator[tuple[Postgres, Credits]]:
        async with open_postgres(self._data_path) as postgres, open_redis(self._data_path) as redis:
            yield postgres, Credits(postgres, redis)


async def _id_of(postgres: Postgres, name: str) -> UUID:
    channel_id: UUID = await postgres.pool.fetchval("SELECT id FROM channel WHERE name = $1", name)
    return channel_id


async def _give(postgres: Postgres, channel_id: UUID, amount_cents: int) -> None:
    new = NewContribution(
        id=new_id(),
        channel_id=channel_id,
        session_id=new_id(),
        type=TransactionType.ACTIVATION,
        amount_cents=amount_cents,
        credits_per_dollar=10,
        provider="sandbox",
        provider_reference=f"test-{new_id()}",
    )
    await postgres.transact(partial(_settle, new=new))


async def _settle(conn: Connection, new: NewContribution) -> None:
    await conn.execute("INSERT INTO session (id, expires_at) VALUES ($1, clock_timestamp())", new.session_id)
    await begin(conn, new)
    await settle(conn, new.id)
