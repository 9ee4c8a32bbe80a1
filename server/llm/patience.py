"""How long somebody waits, again and again, without a timer for each wait."""

import asyncio
from collections.abc import Callable


class Patience:
    """Calls `give_up` when a wait takes too long. One timer serves many waits; it looks at the clock when it fires."""

    __slots__ = ("_give_up", "_loop", "_seconds", "_since_seconds", "_timer")

    def __init__(self, seconds: float, give_up: Callable[[], None]) -> None:
        self._seconds = seconds
        self._give_up = give_up
        self._loop = asyncio.get_running_loop()
        self._since_seconds: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """A wait begins."""
        self._since_seconds = now_seconds = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_at(now_seconds + self._seconds, self._look)

    def pause(self, next_seconds: float) -> None:
        """The wait is over; later ones may take that many seconds."""
        self._since_seconds = None
        if next_seconds != self._seconds:
            self._seconds = next_seconds
            self.end()

    def renew(self, seconds: float) -> None:
        """The wait is over and the next one, of at most that many seconds, begins."""
        if seconds == self._seconds and self._timer is not None:  # once a token
            self._since_seconds = self._loop.time()
            return
        self.pause(seconds)
        self.begin()

    def end(self) -> None:
        """No more is waited for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now_seconds = self._loop.time()
        since_seconds = now_seconds if self._since_seconds is None else self._since_seconds
        if now_seconds - since_seconds >= self._seconds:
            self._timer = None
            self._give_up()
        else:
            self._timer = self._loop.call_at(since_seconds + self._seconds, self._look)
