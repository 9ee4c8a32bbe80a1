"""What the embedded parts report when they cannot do their work."""


class PartFailed(Exception):
    """A part could not start, or stopped before it was asked to.

    Attributes:
        part: the name that people know it by, such as ``PostgreSQL``.
        reason: what happened, in one sentence or a few lines of the part's own log.
        remedy: what to do about it, naming the environment variable that replaces the part.
    """

    def __init__(self, part: str, reason: str, remedy: str) -> None:
        super().__init__(f"{part} cannot start: {reason}")
        self.part = part
        self.reason = reason
        self.remedy = remedy


class AlreadyRunning(Exception):
    """Another process holds the data folder.

    Attributes:
        folder: the data folder in question.
        address: where the other instance answers; None while it is still starting.
    """

    def __init__(self, folder: str, address: str | None) -> None:
        where = f" at {address}" if address else " (it is still starting)"
        super().__init__(f"Tallylight is already running{where}, with its data in {folder}.")
        self.folder = folder
        self.address = address


class FolderUnusable(Exception):
    """The data folder cannot be made or written.

    Attributes:
        remedy: what to do about it.
    """

    def __init__(self, folder: str, error: OSError) -> None:
        super().__init__(f"The data folder {folder} cannot be made or written: {error.strerror}.")
        self.remedy = "Choose another one with --data-dir or TALLYLIGHT_DATA_DIR, or become its owner."
