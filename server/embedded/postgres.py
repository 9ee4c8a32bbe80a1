"""The process of an embedded PostgreSQL."""

import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from server.embedded.binaries import PostgresBinaries
from server.embedded.child import Account, Child, Orders
from server.embedded.cluster import PART, REMEDY, Cluster, open_cluster
from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.ports import LOOPBACK
from server.embedded.psql import Psql, SqlFailed

DATABASE = "tallylight"
READY_SECONDS = 60.0
PROBE_EVERY_SECONDS = 0.05
STOP_SECONDS = 2.0
"""For a clean shutdown; after that it ends at once and recovers from its log at the next start."""

STOP_AT_ONCE_SECONDS = 0.5
PORT_ATTEMPTS = 3

SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    # The path of a socket may have 107 bytes only; data folders may be deeper.
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """One PostgreSQL with its files in a data folder, on a loopback port, with a password.

    `begin`, `wait_ready`, then `url`; `stop` at the end. All from the main thread, and the caller holds the folder.
    After a `stop` it may begin again.
    """

    def __init__(
        self,
        folder: DataFolder,
        settings: Mapping[str, str] | None = None,
        *,
        binaries: PostgresBinaries | None = None,
        account: Account | None = None,
    ) -> None:
        """Nothing runs yet.

        Args:
            folder: the data folder.
            settings: PostgreSQL settings besides our own.
            binaries: which PostgreSQL; None takes the best on this machine.
            account: as whom it runs; None takes the first that the machine allows.
        """
        self._folder = folder
        self._settings = {**SETTINGS, **(settings or {})}
        self._wanted = (binaries, account)
        self._cluster: Cluster | None = None
        self._child: Child | None = None
        self._port = 0

    @property
    def pid(self) -> int | None:
        """The process id; None while it does not run."""
        return self._child.pid if self._child is not None and self._child.exit_code is None else None

    @property
    def psql(self) -> Psql:
        """The way in for one-off statements."""
        return Psql(self.cluster.binaries.folder / "psql", self._port, self.cluster.password)

    @property
    def url(self) -> str:
        """The address of the application's database, password included."""
        return self.psql.url(DATABASE)

    @property
    def cluster(self) -> Cluster:
        """Its files, programs and version; known from `begin` on."""
        assert self._cluster is not None, "begin first"
        return self._cluster

    def begin(self) -> None:
        """Makes the database files if there are none, and starts the server without waiting for it.

        Raises:
            PartFailed: with the reason and the remedy.
        """
        try:
            self._cluster = open_cluster(self._folder, *self._wanted)
            self._launch(other_port=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PartFailed(PART, str(error), REMEDY) from error

    def wait_ready(self) -> None:
        """Returns once the application's database exists and takes connections.

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
                self._make_database()
            except SqlFailed as error:
                if "password authentication failed" in str(error) or time.monotonic() > deadline:
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
        """Ends it, cleanly if it can be done in time. Nothing happens if it does not run."""
        if self._child is not None:
            self._child.end((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, STOP_AT_ONCE_SECONDS))

    def kill(self) -> None:
        """Ends it as a crash would; its own processes end with it."""
        if self._child is not None:
            self._child.end()

    def _launch(self, *, other_port: bool) -> None:
        self._port = self._folder.port("postgres", other=other_port)
        argv = [str(self.cluster.binaries.folder / "postgres"), "-D", str(self.cluster.files), "-p", str(self._port)]
        for name, value in self._settings.items():
            argv += ["-c", f"{name}={value}"]
        # SIGINT asks PostgreSQL for a fast shutdown: that is what it gets when we are killed.
        orders = Orders(argv, self.cluster.account, signal.SIGINT)
        self._child = Child(orders, self.log)

    def _launch_elsewhere(self, attempt: int) -> None:
        assert self._child is not None, "begin first"
        text = self._child.log_tail()
        if attempt > PORT_ATTEMPTS or "could not bind" not in text:
            raise PartFailed(PART, f"it ended with code {self._child.exit_code}:\n{text}", REMEDY)
        self._launch(other_port=True)

    def _make_database(self) -> None:
        if not self.psql.run(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):  # noqa: S608 - a constant
            self.psql.run(f"CREATE DATABASE {DATABASE}")

    @property
    def log(self) -> Path:
        """The file that takes its messages."""
        return self._folder.folder("logs") / "postgres.log"
