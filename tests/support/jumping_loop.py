"""An event loop whose clock stands still while anything happens, and jumps to the next timer when nothing does: how
long something waits is then an exact figure, however busy the machine is."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.DefaultSelector):
    """Never waits for a time: that is added to the clock instead."""

    now_seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events: list[tuple[selectors.SelectorKey, int]] = super().select(None if timeout is None else 0)
        if not events and timeout is not None:
            self.now_seconds += timeout
        return events


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_seconds


def run_with_jumps(work: Coroutine[Any, Any, T]) -> T:
    """Run this where nothing comes from outside that would have to be waited for, other than at once."""
    with asyncio.Runner(loop_factory=_JumpingLoop) as runner:
        return runner.run(work)
