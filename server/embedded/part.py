"""What every embedded part has in common: a process with a log, on a port of its own, watched until it is ready."""

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from server.embedded import ports
from server.embedded.child import Child, Orders
from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed

PORT_ATTEMPTS = 3
"""Somebody may take a free port before our server does."""


ENDS_SOON_SECONDS = 1.0


class NotReady(Exception):
    """The server does not answer yet.

    Attributes:
        is_final: it answers, and what it says will not change by waiting.
    """

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


class Part(ABC):
    """A server with its files in a data folder, on a loopback port.

    `begin`, `wait_ready`, then use it; `stop` at the end. All but `prepare` from the main thread, as the kernel ends a
    child with the *thread* that started it, and while the caller holds the folder. After a `stop` or a crash it may
    begin again.
    """

    name: ClassVar[str]
    """For people."""

    key: ClassVar[str]
    """For files."""

    remedy: ClassVar[str]
    """What to do if it cannot start."""

    ready_seconds: ClassVar[float]
    """How long it may take to be ready, a recovery after a crash included."""

    probe_every_seconds: ClassVar[float]
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]]
    """Signals that end it, each with the seconds that it gets; SIGKILL comes after the last."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._child: Child | None = None
        self._port = 0

    @property
    @abstractmethod
    def version(self) -> str:
        """Of the program; known from `begin` on."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the program comes from; known from `begin` on."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The address for clients, password included; known from `begin` on."""

    @property
    def address(self) -> str:
        """Host and port where it answers; known from `begin` on."""
        return f"{ports.LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process id; None while it does not run."""
        return self._child.pid if self._child is not None and self._child.exit_code is None else None

    @property
    def log(self) -> Path:
        """The file that takes its messages."""
        return self._folder.folder("logs") / f"{self.key}.log"

    def start(self) -> None:
        """`begin` and `wait_ready` in one.

        Raises:
            PartFailed: with the reason and the remedy.
        """
        self.begin()
        self.wait_ready()

    def begin(self) -> None:
        """Starts the server without waiting for it.

        Raises:
            PartFailed: with the reason and the remedy.
        """
        self.prepare()
        self.launch()

    def prepare(self) -> None:
        """Does what has to be done before `launch`, which may take seconds: `begin` in two steps. From any thread.

        Raises:
            PartFailed: with the reason and the remedy.
        """
        with self._failures():
            self._prepare()

    def launch(self) -> None:
        """Starts the server, which takes milliseconds, without waiting for it. From the main thread.

        Raises:
            PartFailed: with the reason and the remedy.
        """
        with self._failures():
            self._launch(other_port=False)

    def wait_ready(self) -> None:
        """Returns once it can be used.

        Raises:
            PartFailed: it ended, or did not get ready in time.
        """
        deadline = time.monotonic() + self.ready_seconds
        ports_tried = 1
        while True:
            if self.pid is None:
                ports_tried += 1
                self._launch_elsewhere(ports_tried)
            try:
                self._probe()
            except NotReady as error:
                if time.monotonic() > deadline or (error.is_final and not self._ends_soon()):
                    raise self._failed(str(error)) from error
            else:
                return
            time.sleep(self.probe_every_seconds)

    def stop(self, within_seconds: float | None = None) -> None:
        """Ends it, cleanly if it can be done in time. Nothing happens if it does not run.

        Args:
            within_seconds: all the time there is; None means the usual steps.
        """
        if self._child is None:
            return
        steps = [
            (number, seconds if within_seconds is None else min(seconds, within_seconds))
            for number, seconds in self.stop_steps
        ]
        self._child.end(*steps)

    def kill(self) -> None:
        """Ends it as a crash would."""
        if self._child is not None:
            self._child.end()

    @abstractmethod
    def _prepare(self) -> None:
        """Finds the program, proves that it runs here, and makes the files it needs; OSError says what is wrong."""

    @abstractmethod
    def _orders(self, port: int) -> Orders:
        """What to run."""

    @abstractmethod
    def _probe(self) -> None:
        """Raises NotReady unless the server can be used."""

    def _launch(self, *, other_port: bool) -> None:
        self._port = self._folder.port(self.key, other=other_port)
        self._child = Child(self._orders(self._port), self.log)

    def _launch_elsewhere(self, attempt: int) -> None:
        assert self._child is not None, "begin first"
        # It has ended, so whoever listens there is a stranger.
        if attempt > PORT_ATTEMPTS or ports.is_free(self._port):
            raise self._failed(f"it ended with code {self._child.exit_code}:\n{self._child.log_tail()}")
        self._launch(other_port=True)

    def _ends_soon(self) -> bool:
        """Whether the server is about to give up: then it was a stranger on its port who answered."""
        assert self._child is not None, "begin first"
        return self._child.wait(ENDS_SOON_SECONDS)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Raises PartFailed for what the machine refuses."""
        try:
            yield
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._failed(str(error)) from error

    def _failed(self, reason: str) -> PartFailed:
        return PartFailed(self.name, reason, self.remedy)
