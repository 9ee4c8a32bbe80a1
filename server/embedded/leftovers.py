"""Servers that outlived their owner. The kernel ends them with it on Linux; elsewhere, and in rare races, we do."""

import signal
from collections.abc import Callable
from pathlib import Path

import psutil

LEFTOVER_SECONDS = 5.0


def end_leftover(
    pid_file: Path, is_ours: Callable[[psutil.Process], bool], number: signal.Signals = signal.SIGTERM
) -> None:
    """Ends the process that a file names, if it is one of ours, and removes the file.

    Whoever holds the data folder may do so: what still runs on it belongs to nobody. A stranger may have got the same
    number since, and a file that names a living process keeps some servers from starting.

    Args:
        pid_file: a file whose first word is a process id; it may be missing.
        is_ours: whether that process is what the file meant.
        number: the signal that asks it to end; SIGKILL follows.
    """
    try:
        process = psutil.Process(int(pid_file.read_text().split()[0]))
        if is_ours(process):
            process.send_signal(number)
            _await_end(process)
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess, psutil.AccessDenied):
        # No file, no number in it, nobody there, or somebody whom we may not even look at.
        pass
    pid_file.unlink(missing_ok=True)


def _await_end(process: psutil.Process) -> None:
    try:
        process.wait(LEFTOVER_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(LEFTOVER_SECONDS)
