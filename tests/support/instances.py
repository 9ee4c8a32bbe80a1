"""`tallylight run` as people start it: a process of its own, what it printed, and what it leaves behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from tests.support.waiting import wait_for

LAST_LINE = "Ctrl-C ends everything."
START_SECONDS = 60.0
END_SECONDS = 20.0
"""It is 5 s on a machine that has nothing else to do (`docs/measurements.md`); tests share theirs."""

TALLYLIGHT = (sys.executable, "-m", "server")
CHECKOUT = Path(__file__).resolve().parents[2]
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")


def bare_environment(**variables: str) -> dict[str, str]:
    """What a new user's shell has, and these variables: no setting of the person who runs the tests."""
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return passed_on | {"PYTHONPATH": str(CHECKOUT), "COLUMNS": "200"} | variables


class TallylightRun:
    """One start of `tallylight run`.

    Attributes:
        data_dir: its data folder.
        process: the process that was started.
    """

    def __init__(
        self,
        data_dir: Path,
        log: Path,
        *arguments: str,
        command: Sequence[str] = TALLYLIGHT,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start it with canned answers on any free port, unless told otherwise; returns at once.

        Args:
            data_dir: its data folder.
            log: takes what it prints.
            arguments: for `tallylight run`.
            command: what `run` is an argument of.
            variables: of its environment.
        """
        self.data_dir = data_dir
        self._log = log
        port = () if "--port" in arguments else ("--port", "0")
        environment = bare_environment(**{"TALLYLIGHT_LLM": "scripted", **(variables or {})})
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "run", "--data-dir", str(data_dir), *port, *arguments],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=log.parent,
            )

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self._log.read_text()

    @property
    def address(self) -> str:
        """Where it answers."""
        return next(word for word in self.output.split() if word.startswith("http://")).rpartition("/c/")[0]

    def wait_ready(self) -> None:
        """Returns when it answers; what it printed is in the error if it ended before."""
        wait_for(lambda: LAST_LINE in self.output or self.process.poll() is not None, START_SECONDS)
        assert LAST_LINE in self.output, self.output

    def processes(self) -> list[psutil.Process]:
        """Everything that runs on its data folder, whoever started it."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def part(self, name: str) -> psutil.Process:
        """The process of one embedded part, such as ``postgres``."""
        return next(process for process in self.process_children() if name in process.name())

    def process_children(self) -> list[psutil.Process]:
        """The parts that it started."""
        return psutil.Process(self.process.pid).children()

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Sends the signal and returns the exit code; everything must be gone soon."""
        self.process.send_signal(number)
        code = self.process.wait(END_SECONDS)
        wait_for(lambda: not self.processes(), END_SECONDS)
        return code

    def kill(self) -> None:
        """Ends what is left, at the end of a test; its parts follow by themselves."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def wait_gone(self) -> None:
        """Returns when nothing runs on its data folder."""
        wait_for(lambda: not self.processes())

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            # Valkey writes its address over its command line, and works in its folder.
            words = [*process.cmdline(), process.cwd()]
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        return any(str(self.data_dir) in word for word in words)
