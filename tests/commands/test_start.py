"""The program can be interrupted quietly from its beginning."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.instances import CHECKOUT, bare_environment

INTERRUPTED_BY_AN_IMPORT: Final = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("module", ["server.__main__", "typer", "server.embedded.errors"])
def test_ctrl_c_while_it_is_loaded_ends_it_without_a_word(tmp_path: Path, module: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED_BY_AN_IMPORT.format(module=module))
    done = subprocess.run(
        [sys.executable, "-c", "from server.start import main; main()", "--version"],
        env=bare_environment(PYTHONPATH=f"{tmp_path}:{CHECKOUT}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_once_it_is_loaded_it_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from server.start import main; main()", "--version"],
        env=bare_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip()
