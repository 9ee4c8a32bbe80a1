"""One child process of an embedded part: its log, its life, its end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")
LOG_TAIL_BYTES = 4_096
LOG_TAIL_LINES = 8
PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""What a part gets of our environment; keys and addresses of other services are not its business."""


class Account(StrEnum):
    """As whom a part runs."""

    SAME = "same"
    """The user that we are."""

    NAMESPACE = "namespace"
    """Still the user that we are, but seen by the program as `nobody`: for programs that refuse root."""

    NOBODY = "nobody"
    """The real user `nobody`: where the machine refuses user namespaces. Needs root."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What to run, and how.

    Attributes:
        argv: program with its full path, and its arguments.
        account: as whom it runs.
        death_signal: what it gets when we end in any way, SIGKILL included (Linux); None leaves it alone.
        env: variables besides those passed on to every part.
    """

    argv: Sequence[str]
    account: Account = Account.SAME
    death_signal: signal.Signals | None = signal.SIGINT
    env: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """What the command is started with. Secrets go this way: only the owner of a process can read it, while every
        user of the machine can read a command line."""
        return {name: os.environ[name] for name in PASSED_ON if name in os.environ} | dict(self.env)

    def command(self) -> list[str]:
        """The command line that carries them out."""
        text = json.dumps(
            {
                "argv": list(self.argv),
                "account": self.account,
                "death_signal": int(self.death_signal) if self.death_signal else None,
                "parent_pid": os.getpid(),
                "env": list(self.environment()),
            }
        )
        return [sys.executable, "-I", "-S", str(LAUNCH), text]


class Child:
    """A running program whose output goes to a file. Start it from the main thread (see `launch.py`)."""

    def __init__(self, orders: Orders, log: Path) -> None:
        """Starts it.

        Args:
            orders: what to run.
            log: takes its output; that of the run before is kept beside it, with `.1` added.
        """
        self._log = log
        if log.exists():
            log.replace(log.with_name(log.name + ".1"))
        with log.open("wb") as output:
            # A session of its own: a Ctrl-C in the terminal is ours to answer, part by part.
            self._process = subprocess.Popen(
                orders.command(),
                env=orders.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, the same before and after the program replaced the launcher."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def log_tail(self) -> str:
        """The last lines it wrote, for a message to people."""
        with self._log.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - LOG_TAIL_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        self._process.send_signal(number)

    def wait(self, timeout_seconds: float) -> bool:
        """Whether it ended in that time."""
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, *steps: tuple[signal.Signals, float]) -> None:
        """Sends each signal in turn and gives it its seconds, then SIGKILL; returns when the process is gone."""
        for number, timeout_seconds in steps:
            self.send(number)
            if self.wait(timeout_seconds):
                return
        self._process.kill()
        self._process.wait()


def run_briefly(orders: Orders, timeout_seconds: float, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a program to its end.

    Raises:
        subprocess.TimeoutExpired: it took longer; it was killed.
        OSError: it could not be started.
    """
    return subprocess.run(
        orders.command(),
        env=orders.environment(),
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_seconds,
        cwd="/",
        start_new_session=True,
        check=False,
    )
