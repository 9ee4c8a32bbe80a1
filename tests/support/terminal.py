"""A program in a terminal: what stands on its screen, what scrolled away, and keys for it."""

import codecs
import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

import pyte

from tests.support.waiting import wait_for

DEADLINE_SECONDS: Final = 30.0
CTRL_C, CTRL_D, ENTER, ALT_ENTER, UP = "\x03", "\x04", "\r", "\x1b\r", "\x1b[A"
_IN_THE_FOREGROUND: Final = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """One program in a terminal of its own. Use it as a context manager: the program is gone at the end.

    Attributes:
        process: the program.
        raw: everything that it wrote, escape sequences included.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, columns: int = 80, rows: int = 24
    ) -> None:
        self._master, slave = pty.openpty()
        self._screen = _Screen(columns, rows, self.type)
        self._stream = pyte.Stream(self._screen)
        self._lock = threading.Lock()
        self.raw = ""
        self._set_size(columns, rows)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _IN_THE_FOREGROUND, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={"TERM": "xterm-256color", **environment},
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        os.close(self._master)

    @property
    def lines(self) -> list[str]:
        """Every line, from the first one that scrolled away to the last one on the screen."""
        with self._lock:
            return [line.rstrip() for line in (*self._screen.gone, *self._screen.display)]

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines)

    def type(self, *keys: str) -> None:
        """Press these keys."""
        os.write(self._master, "".join(keys).encode())

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size; the program is told."""
        with self._lock:
            self._screen.resize(rows, columns)
        self._set_size(columns, rows)

    def wait_for(self, *texts: str, gone: str = "") -> None:
        """Wait until all of these stand somewhere in the lines, and `gone` does not."""

        def stands() -> bool:
            text = self.text
            return all(one in text for one in texts) and not (gone and gone in text)

        with contextlib.suppress(TimeoutError):
            wait_for(lambda: stands() or self.process.poll() is not None, DEADLINE_SECONDS)
        assert stands(), f"not {texts} without {gone!r}:\n{self.text}"

    def wait_end(self) -> int:
        """Wait until it ends; returns the exit code."""
        return self.process.wait(DEADLINE_SECONDS)

    def _set_size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            try:
                data = os.read(self._master, 65_536)
            except OSError:  # the other side is closed
                return
            written = decoder.decode(data)
            with self._lock:
                self.raw += written
                self._stream.feed(written)


class _Screen(pyte.Screen):
    """A screen that keeps what scrolls away, and answers when it is asked where the cursor stands."""

    def __init__(self, columns: int, rows: int, answer: Callable[[str], None]) -> None:
        self.gone: list[str] = []
        self._answer = answer
        super().__init__(columns, rows)

    def index(self) -> None:
        if self.cursor.y == self.lines - 1:
            self.gone.append(self.display[0])
        super().index()

    def write_process_input(self, data: str) -> None:
        self._answer(data)
