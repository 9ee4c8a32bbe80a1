"""The process of an embedded Valkey (or a Redis, where that is what the machine has)."""

import re
import signal
from collections.abc import Mapping
from pathlib import Path

from server.embedded.binaries import RedisBinary, find_redis
from server.embedded.child import Orders, run_briefly
from server.embedded.data_folder import DataFolder
from server.embedded.leftovers import end_leftover
from server.embedded.part import NotReady, Part
from server.embedded.ports import LOOPBACK
from server.embedded.resp import CommandFailed, Resp

PROBE_SECONDS = 20.0
SETTINGS: Mapping[str, str] = {
    "bind": LOOPBACK,
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    "loglevel": "notice",
}


class EmbeddedValkey(Part):
    """One Valkey with its files in a data folder, on a loopback port, with a password."""

    name = "Valkey"
    key = "valkey"
    remedy = "Set TALLYLIGHT_REDIS_URL to a Valkey or Redis of your own (redis://host:port/0)."
    ready_seconds = 30.0
    probe_every_seconds = 0.02
    stop_steps = ((signal.SIGTERM, 1.0),)

    def __init__(
        self, folder: DataFolder, settings: Mapping[str, str] | None = None, *, binary: RedisBinary | None = None
    ) -> None:
        """Nothing runs yet.

        Args:
            folder: the data folder.
            settings: settings of its configuration file besides our own.
            binary: which server; None takes the best on this machine.
        """
        super().__init__(folder)
        self._settings = {**SETTINGS, **(settings or {})}
        self._wanted = binary
        self._found: RedisBinary | None = None
        self._version = ""

    @property
    def version(self) -> str:
        """Of the program, such as ``9.1.2``."""
        return self._version

    @property
    def place(self) -> str:
        """Where the program comes from."""
        return self._binary.source

    @property
    def resp(self) -> Resp:
        """The way in for one-off commands."""
        return Resp(self._port, self._folder.secret("valkey-password"))

    @property
    def url(self) -> str:
        """The address for clients, password included."""
        return self.resp.url

    @property
    def _binary(self) -> RedisBinary:
        assert self._found is not None, "begin first"
        return self._found

    @property
    def _files(self) -> Path:
        return self._folder.folder("valkey")

    def _prepare(self) -> None:
        self._found = self._wanted or find_redis()
        if self._found is None:
            raise self._failed("there is no wheel for this machine and none is installed.")
        self._version = program_version(self._found)
        end_leftover(self._files / "valkey.pid", lambda process: Path(process.cwd()) == self._files.resolve())

    def _orders(self, port: int) -> Orders:
        settings = {
            **self._settings,
            "port": str(port),
            "dir": _quoted(self._files),
            "pidfile": _quoted(self._files / "valkey.pid"),
            "requirepass": self._folder.secret("valkey-password"),
        }
        # A file, because a command line can be read by everybody on the machine.
        config = self._folder.write_text("valkey.conf", "".join(f"{key} {value}\n" for key, value in settings.items()))
        return Orders((str(self._binary.program), str(config)), death_signal=signal.SIGTERM)

    def _probe(self) -> None:
        try:
            self.resp.run("PING")
        except CommandFailed as error:
            raise NotReady(str(error), is_final=str(error).startswith("WRONGPASS")) from error


def program_version(binary: RedisBinary) -> str:
    """Its version; asking for it also proves that the program runs here.

    Raises:
        OSError: it does not; the text says why.
    """
    done = run_briefly(Orders((str(binary.program), "--version"), death_signal=signal.SIGKILL), PROBE_SECONDS)
    if done.returncode != 0:
        problem = done.stderr.strip() or f"it ended with code {done.returncode}"
        raise OSError(f"{binary.program} does not run here: {problem}")
    found = re.search(r"v=(\S+)", done.stdout)
    return found.group(1) if found else "unknown"


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
