"""One-off statements to an embedded PostgreSQL through its own client program."""

import signal
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from server.embedded.child import Orders, run_briefly
from server.embedded.ports import LOOPBACK

OWNER = "postgres"
STATEMENT_SECONDS = 30.0


class SqlFailed(Exception):
    """The server refused, or could not be reached; the text is that of psql."""


@dataclass(frozen=True, slots=True)
class Psql:
    """How to reach one server as its owner.

    Attributes:
        program: psql itself.
        port: where the server listens, on the loopback address.
        password: that of the owner.
    """

    program: Path
    port: int
    password: str

    def run(self, sql: str, database: str = OWNER, timeout_seconds: float = STATEMENT_SECONDS) -> str:
        """Runs the statements, each in a transaction of its own, and returns the values, one row a line.

        Raises:
            SqlFailed: a statement failed, or the server did not answer in time.
            subprocess.TimeoutExpired: it did not end in time.
        """
        argv: tuple[str, ...] = (str(self.program), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", LOOPBACK)
        argv += ("-p", str(self.port), "-U", OWNER, "-d", database, "-f", "-")
        env = {"PGPASSWORD": self.password, "PGCONNECT_TIMEOUT": "5"}
        done = run_briefly(Orders(argv, death_signal=signal.SIGKILL, env=env), timeout_seconds, stdin=sql)
        if done.returncode != 0:
            raise SqlFailed(done.stderr.strip())
        return done.stdout.strip()

    def url(self, database: str) -> str:
        """The address for clients, password included."""
        return f"postgresql://{OWNER}:{quote(self.password, safe='')}@{LOOPBACK}:{self.port}/{database}"
