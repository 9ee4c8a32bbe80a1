"""Ctrl-C and SIGTERM while much is being started."""

import signal
import sys
from types import FrameType
from typing import NoReturn


class Interruption:
    """Ends a start at once, or at its next step.

    Python raises what a signal's handler raises wherever it is just then. In the callback of a weak reference, and in
    `__del__`, nobody gets it: it is printed and gone. So the signal is remembered, too.
    """

    def __init__(self) -> None:
        self._number: int | None = None

    def listen(self) -> None:
        """Take SIGINT and SIGTERM from now on, until somebody else does."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def check(self) -> None:
        """Between two steps: raises SystemExit if a signal came."""
        if self._number is not None:
            _exit(self._number)

    def pass_on(self) -> None:
        """Send it again, to who takes signals now."""
        if self._number is not None:
            signal.raise_signal(self._number)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self._number = number
        _exit(number)


def _exit(number: int) -> NoReturn:
    sys.exit(128 + number)
