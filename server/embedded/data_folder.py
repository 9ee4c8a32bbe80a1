"""The folder that holds everything an embedded instance keeps, and the lock that says who uses it."""

import errno
import fcntl
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from server.embedded import ports
from server.embedded.errors import AlreadyRunning, FolderUnusable

SECRET_BYTES = 24
LOCK_ATTEMPTS = 5
LOCK_EVERY_SECONDS = 0.05
HOLDS_OTHER_THINGS = "it holds other things that others may see"


class DataFolder:
    """A folder of mode 0700, held by one process at a time.

    The lock is one on an open file, so that it ends with its process however that ends: there is no pid file to be
    wrong. Use it as a context manager, or call `lock` and `release`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock_file: int | None = None

    def lock(self) -> None:
        """Makes the folder if needed and takes it.

        Raises:
            AlreadyRunning: another process has it.
            FolderUnusable: it cannot be made or written.
        """
        try:
            self._make()
            file = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderUnusable(str(self.path), error) from error
        if not _take(file):
            os.close(file)
            instance = self.read_json("instance.json") or {}
            raise AlreadyRunning(str(self.path), instance.get("address"))
        self._lock_file = file
        # What a run before left behind speaks of servers that are gone.
        self.remove("instance.json")

    def _make(self) -> None:
        """What others can look into is closed to them where it is ours or empty. Anything else that is there already
        may be /tmp: nobody's folder is closed to its users by a wrong word on a command line."""
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_open = self.path.stat().st_mode & 0o077
        is_ours = (self.path / "lock").exists() or not any(self.path.iterdir())
        if is_open and not is_ours:
            raise FolderUnusable(str(self.path), PermissionError(errno.EACCES, HOLDS_OTHER_THINGS))
        if is_open:
            self.path.chmod(0o700)

    def release(self) -> None:
        """Gives the folder up. Nothing happens if it is not held."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def is_locked(self) -> bool:
        """Whether some process, this one included, holds the folder now."""
        try:
            file = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def folder(self, name: str) -> Path:
        """A folder inside, made if needed."""
        path = self.path / name
        path.mkdir(exist_ok=True, mode=0o700)
        return path

    def secret(self, name: str) -> str:
        """The random secret of that name: made at the first call, the same ever after, in a file of mode 0600."""
        file = self.folder("secrets") / name
        if not file.exists():
            _write_private(file, secrets.token_urlsafe(SECRET_BYTES))
        return file.read_text().strip()

    def port(self, name: str, *, other: bool = False) -> int:
        """The port of that part: the one it had before if that is free, else a new one, which is kept.

        Args:
            name: the part.
            other: take a new one even if the old one looks free.
        """
        kept = self.read_json("ports.json") or {}
        mine = kept.get(name)
        if not other and isinstance(mine, int) and ports.is_free(mine):
            return mine
        kept[name] = ports.free_port(exclude=[port for port in kept.values() if isinstance(port, int)])
        self.write_json("ports.json", kept)
        return int(kept[name])

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The object in that file; None if there is none or it is not whole."""
        try:
            value = json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Replaces that file, mode 0600, in one step: a reader sees the old one or the new one."""
        self.write_text(name, json.dumps(value, indent=2) + "\n")

    def write_text(self, name: str, text: str) -> Path:
        """Replaces that file, as `write_json` does; returns its full path."""
        _write_private(self.path / name, text)
        return self.path / name

    def remove(self, name: str) -> None:
        """Removes that file if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.lock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _take(file: int) -> bool:
    """Whether the lock is ours now. Another program may hold it for a moment, to see whether somebody has it."""
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_EVERY_SECONDS)
        else:
            return True
    return False


def _write_private(file: Path, text: str) -> None:
    scratch = file.with_name(f".{file.name}.new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        output.write(text)
    scratch.replace(file)
