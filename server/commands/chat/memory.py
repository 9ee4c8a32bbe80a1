"""Which chat was the last one on a channel, so that the next start goes on with it."""

import json
import os
from pathlib import Path
from typing import Final

FILE: Final = "chats.json"
KEPT_MAX: Final = 200
"""Channels whose last chat is remembered; the one unused for longest is forgotten."""


class ChatMemory:
    """The last chat of each channel, in a file of this user (mode 0600) below ``XDG_STATE_HOME``."""

    def __init__(self, place: str) -> None:
        """Read it; a file that is missing or broken is an empty one.

        Args:
            place: which server this is about: its address, or the data folder of a local one.
        """
        self._place = place
        self._file = _state_folder() / FILE

    def find(self, channel: str) -> str | None:
        """The id of the last chat there; None: there is none."""
        found = self._read().get(self._key(channel))
        return found if isinstance(found, str) else None

    def keep(self, channel: str, chat_id: str | None) -> None:
        """Remember this one; None forgets. A home that cannot be written to remembers nothing."""
        known = {key: value for key, value in self._read().items() if key != self._key(channel)}
        if chat_id is not None:
            known[self._key(channel)] = chat_id
        newest = dict(list(known.items())[-KEPT_MAX:])
        try:
            self._write(json.dumps(newest, indent=1))
        except OSError:
            return

    def _key(self, channel: str) -> str:
        return f"{self._place} {channel}"

    def _read(self) -> dict[str, object]:
        try:
            known = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _write(self, text: str) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as output:
            output.write(text)
        scratch.replace(self._file)


def _state_folder() -> Path:
    """See the XDG Base Directory Specification."""
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state") / "tallylight"
