"""The database files of an embedded PostgreSQL: where they are, whose they are, how they come to be."""

import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from server.embedded.accounts import choose_account, cluster_folder, hand_over, reachable_binaries
from server.embedded.binaries import PostgresBinaries, find_postgres
from server.embedded.child import Account, Orders, run_briefly
from server.embedded.data_folder import DataFolder
from server.embedded.errors import PartFailed
from server.embedded.launch import NOBODY
from server.embedded.leftovers import end_leftover
from server.embedded.psql import OWNER

PART = "PostgreSQL"
REMEDY = "Set TALLYLIGHT_DATABASE_URL to a PostgreSQL of your own (postgresql://user:password@host:port/database)."
CREATE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Database files, and the programs and account that go with them.

    Attributes:
        binaries: programs at a place that the account can read.
        account: as whom the server runs.
        files: the folder of the database files.
        password: that of the owner.
        version: of the programs, such as ``18.6``.
    """

    binaries: PostgresBinaries
    account: Account
    files: Path
    password: str
    version: str


def open_cluster(
    folder: DataFolder, binaries: PostgresBinaries | None = None, account: Account | None = None
) -> Cluster:
    """The files of a data folder, made if there are none, with no server running on them. The caller holds the folder.

    Args:
        folder: the data folder.
        binaries: which PostgreSQL; None takes the best on this machine.
        account: as whom it runs; None takes the first that the machine allows.

    Raises:
        PartFailed: no PostgreSQL here, it does not run here, or the files are those of another version.
        OSError, subprocess.TimeoutExpired: a file or program failed in another way.
    """
    found = binaries or find_postgres()
    if found is None:
        raise PartFailed(PART, "there is no wheel for this machine and none is installed.", REMEDY)
    account = account or choose_account(found)
    cluster = Cluster(
        binaries=reachable_binaries(found, account),
        account=account,
        files=cluster_folder(folder.path, account),
        password=folder.secret("postgres-password"),
        version=_version(found),
    )
    hand_over(cluster.files, account)
    if cluster.files.exists():
        _check_version(cluster)
        lock = cluster.files / "postmaster.pid"
        end_leftover(lock, lambda process: str(cluster.files) in process.cmdline(), signal.SIGINT)
    else:
        _create(cluster)
    return cluster


def _create(cluster: Cluster) -> None:
    # Made under another name: a start that is cut short leaves nothing that looks whole.
    scratch = cluster.files.with_name("postgres.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    password_file = scratch.with_name("postgres.password")
    password_file.touch(mode=0o600)
    password_file.write_text(cluster.password)
    if cluster.account is Account.NOBODY:
        for path in (scratch, password_file):
            os.chown(path, NOBODY, NOBODY)
    argv = [str(cluster.binaries.folder / "initdb"), "-D", str(scratch), "-U", OWNER, "-A", "scram-sha-256"]
    argv += ["--pwfile", str(password_file), "-E", "UTF8", "--no-sync"]
    argv += ["--locale-provider=builtin", "--locale=C.UTF-8"]
    try:
        done = run_briefly(Orders(argv, cluster.account, signal.SIGKILL), CREATE_SECONDS)
    finally:
        password_file.unlink()
    if done.returncode != 0:
        raise PartFailed(PART, f"initdb failed:\n{done.stderr.strip()}", REMEDY)
    scratch.replace(cluster.files)


def _version(binaries: PostgresBinaries) -> str:
    orders = Orders((str(binaries.folder / "psql"), "--version"), death_signal=signal.SIGKILL)
    words = run_briefly(orders, CREATE_SECONDS).stdout.split()
    return words[2] if len(words) > 2 else "unknown"


def _check_version(cluster: Cluster) -> None:
    kept = (cluster.files / "PG_VERSION").read_text().strip()
    if cluster.version.split(".")[0] != kept:
        raise PartFailed(
            PART,
            f"the data in {cluster.files} are those of PostgreSQL {kept}, and this one is {cluster.version}.",
            "Choose another data folder with TALLYLIGHT_DATA_DIR, or carry the data over with pg_dump and set "
            "TALLYLIGHT_DATABASE_URL.",
        )
