"""Waiting for what is about to happen, always with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

DEADLINE_SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.01


def wait_for(
    condition: Callable[[], object],
    deadline_seconds: float = DEADLINE_SECONDS,
    *,
    every_seconds: float = LOOK_EVERY_SECONDS,
) -> None:
    """Returns once the condition is true; looks again and again, for what offers no event to wait for.

    Raises:
        TimeoutError: it stayed false.
    """
    until = time.monotonic() + deadline_seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"Still not true after {deadline_seconds} s: {_text(condition)}")
        time.sleep(every_seconds)


async def eventually(
    condition: Callable[[], object | Awaitable[object]],
    deadline_seconds: float = DEADLINE_SECONDS,
    *,
    every_seconds: float = LOOK_EVERY_SECONDS,
) -> None:
    """`wait_for` inside an event loop; the condition may be a coroutine function.

    Raises:
        TimeoutError: it stayed false.
    """
    until = time.monotonic() + deadline_seconds
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return
        if time.monotonic() > until:
            raise TimeoutError(f"Still not true after {deadline_seconds} s: {_text(condition)}")
        await asyncio.sleep(every_seconds)


def _text(condition: Callable[[], object]) -> str:
    try:
        return inspect.getsource(condition).strip()
    except OSError:
        return repr(condition)
