"""Where the program `tallylight` begins: what can be interrupted quietly before the rest of it is loaded, which takes
most of a second."""

import os
import signal
from types import FrameType


def main() -> None:
    """Loads the command line and runs it; until it is there, Ctrl-C ends the process as it does afterwards."""
    signal.signal(signal.SIGINT, _end)
    from server.__main__ import main as run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)  # nothing has begun that could be ended; an exception might be swallowed by what loads
