"""The command lines of our children, as every user of the machine can read them, the shortest-lived included."""

import threading
from collections.abc import Callable

import psutil

from tests.support.waiting import wait_for

LAUNCHER = "launch.py"


def command_lines_during(action: Callable[[], object]) -> str:
    """Does something, again if need be, until the launcher of one of our children was seen; returns all that was."""
    seen: set[str] = set()
    is_over = threading.Event()

    def look() -> None:
        us = psutil.Process()
        while not is_over.is_set():
            for child in us.children():
                try:
                    seen.add(" ".join(child.cmdline()))
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue

    def has_seen_a_launcher() -> bool:
        action()
        return any(LAUNCHER in line for line in seen)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        wait_for(has_seen_a_launcher)
    finally:
        is_over.set()
        looking.join()
    return "\n".join(seen)
