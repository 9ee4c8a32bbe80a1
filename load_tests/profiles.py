"""A profile of a server while it is measured, by py-spy, which looks from outside and stops nothing."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RATE_HZ: Final = 100
END_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Profile:
    """Where a profile goes.

    Attributes:
        path: collapsed stacks, one a line with its count, as flame graph tools read them.
    """

    path: Path

    @contextlib.contextmanager
    def of(self, pid: int, seconds: float) -> Iterator[None]:
        """Profile that process for so long.

        Raises:
            FileNotFoundError: there is no py-spy on the path.
            subprocess.CalledProcessError: it may not look at the process.
        """
        program = shutil.which("py-spy")
        if program is None:
            raise FileNotFoundError("py-spy is not installed; `pip install py-spy` puts it on the path.")
        options = ["--pid", str(pid), "--duration", str(round(seconds)), "--rate", str(RATE_HZ), "--format", "raw"]
        with subprocess.Popen([program, "record", *options, "--nonblocking", "--output", str(self.path)]) as recording:
            yield
            code = recording.wait(END_SECONDS)
        if code != 0:
            raise subprocess.CalledProcessError(code, program)
