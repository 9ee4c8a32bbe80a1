"""Data folders of tests: in memory where there is room, and gone after the run."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from server.embedded.data_folder import DataFolder

PREFIX = "tallylight-test-"
MEMORY = Path("/dev/shm")
MEMORY_NEEDED_BYTES = 2 * 1024**3
NEW_SECONDS = 60


class DataFolders:
    """Makes data folders, and removes them at the end."""

    def __init__(self) -> None:
        self._place = memory_or_disk()
        self._made: list[DataFolder] = []
        self._remove_leftovers()

    def new(self) -> DataFolder:
        """A new one, held by this process."""
        folder = DataFolder(Path(tempfile.mkdtemp(prefix=PREFIX, dir=self._place)))
        folder.lock()
        self._made.append(folder)
        return folder

    def remove_all(self) -> None:
        """Removes all that were made; the servers on them have ended."""
        for folder in self._made:
            folder.release()
            shutil.rmtree(folder.path, ignore_errors=True)  # a run that has just begun may be at it, too

    def _remove_leftovers(self) -> None:
        # A test run that was killed could not do it. A new folder is another run's, and about to be locked.
        for path in (self._place or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
            is_old = path.stat().st_mtime < time.time() - NEW_SECONDS
            if is_old and os.access(path, os.W_OK) and not DataFolder(path).is_locked():
                shutil.rmtree(path, ignore_errors=True)


def memory_or_disk() -> Path | None:
    """Where data folders go: a database is made in 10 ms in memory, in 250 ms on a disk. None is the usual place for
    temporary files."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED_BYTES:
        return MEMORY
    return None
