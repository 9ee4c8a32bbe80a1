"""The process of an embedded PostgreSQL."""

import signal
from collections.abc import Mapping

from server.embedded.binaries import PostgresBinaries
from server.embedded.child import Account, Orders
from server.embedded.cluster import PART, REMEDY, Cluster, open_cluster
from server.embedded.data_folder import DataFolder
from server.embedded.part import NotReady, Part
from server.embedded.ports import LOOPBACK
from server.embedded.psql import Psql, SqlFailed

DATABASE = "tallylight"
SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    # The path of a socket may have 107 bytes only; data folders may be deeper.
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres(Part):
    """One PostgreSQL with its files in a data folder, on a loopback port, with a password."""

    name = PART
    key = "postgres"
    remedy = REMEDY
    ready_seconds = 60.0
    probe_every_seconds = 0.05
    # A fast shutdown; if that takes too long it ends at once, and recovers from its log at the next start.
    stop_steps = ((signal.SIGINT, 2.0), (signal.SIGQUIT, 0.5))

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
        super().__init__(folder)
        self._settings = {**SETTINGS, **(settings or {})}
        self._wanted = (binaries, account)
        self._cluster: Cluster | None = None

    @property
    def cluster(self) -> Cluster:
        """Its files, programs and account; known from `begin` on."""
        assert self._cluster is not None, "begin first"
        return self._cluster

    @property
    def version(self) -> str:
        """Of the program, such as ``18.6``."""
        return self.cluster.version

    @property
    def place(self) -> str:
        """Where the program comes from."""
        return self.cluster.binaries.source

    @property
    def psql(self) -> Psql:
        """The way in for one-off statements."""
        return Psql(self.cluster.binaries.folder / "psql", self._port, self.cluster.password)

    @property
    def url(self) -> str:
        """The address of the application's database, password included."""
        return self.psql.url(DATABASE)

    def _prepare(self) -> None:
        self._cluster = open_cluster(self._folder, *self._wanted)

    def _orders(self, port: int) -> Orders:
        argv = [str(self.cluster.binaries.folder / "postgres"), "-D", str(self.cluster.files), "-p", str(port)]
        for name, value in self._settings.items():
            argv += ["-c", f"{name}={value}"]
        # SIGINT asks PostgreSQL for a fast shutdown: that is what it gets when we are killed.
        return Orders(argv, self.cluster.account, signal.SIGINT)

    def _probe(self) -> None:
        try:
            if not self.psql.run(f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):  # noqa: S608 - a constant
                self.psql.run(f"CREATE DATABASE {DATABASE}")
        except SqlFailed as error:
            raise NotReady(str(error), is_final="password authentication failed" in str(error)) from error
