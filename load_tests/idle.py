"""Sockets on which nothing happens: how much memory each takes, and how quickly they are accepted."""

import asyncio
import time
from typing import Final

import psutil

from load_tests.crowd import crowd
from load_tests.figures import Delays, Run
from load_tests.machine import Reading
from load_tests.servers import RunningServer
from load_tests.stage import Stage

FANS_PER_SESSION: Final = 10


async def idle(
    stage: Stage,
    server: RunningServer,
    connections: int,
    round_: int,
    *,
    warm_fans: int = 200,
    settle_seconds: float = 2.0,
) -> Run:
    """Open so many sockets that say hello and nothing more.

    Args:
        warm_fans: who come first: what the server makes once is no cost of a connection.
        settle_seconds: before each look at the memory.
    """
    async with crowd(stage, server, warm_fans, fans_per_session=FANS_PER_SESSION) as first:
        await asyncio.sleep(settle_seconds)
        before_bytes, before = _own_bytes(server.pid), Reading.take(first.groups)
        began_seconds = time.monotonic()
        rest = crowd(stage, server, connections, fans_per_session=FANS_PER_SESSION, first_number=warm_fans)
        async with rest as people:
            seconds = time.monotonic() - began_seconds
            await asyncio.sleep(settle_seconds)
            after_bytes = _own_bytes(server.pid)
            load = before.until(Reading.take(first.groups), "server")
            faults = [*first.faults, *people.faults]
    figures = {
        "kib_per_connection": (after_bytes - before_bytes) / 1_024 / connections,
        "accepted_per_second": connections / seconds,
    }
    return Run("idle", server.name, round_, connections, load, Delays.of_us([]), figures, faults)


def _own_bytes(pid: int) -> int:
    """Memory that the end of the process would free; what the kernel keeps for its sockets is not in it."""
    own: int = psutil.Process(pid).memory_full_info().uss
    return own
