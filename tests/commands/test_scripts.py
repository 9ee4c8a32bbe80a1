"""The scripts of a checkout, before anything is installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.instances import CHECKOUT

LOCKS = sorted((CHECKOUT / "requirements").glob("*.lock"))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what `scripts/setup` works with, without a `.venv`."""
    for name in ("scripts", "requirements"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    return tmp_path


def set_up(checkout: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **variables}
    script = checkout / "scripts" / "setup"
    return subprocess.run([script], env=environment, capture_output=True, text=True, check=False)


def test_a_python_that_is_too_old_is_told(checkout: Path) -> None:
    old = checkout / "python2"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = set_up(checkout, TALLYLIGHT_PYTHON=str(old))
    assert done.returncode == 1
    assert "needs Python 3.11 or later" in done.stderr
    assert "TALLYLIGHT_PYTHON" in done.stderr


def test_a_python_without_venv_is_told(checkout: Path) -> None:
    (checkout / "sitecustomize.py").write_text("import sys\nsys.modules['ensurepip'] = None\n")
    done = set_up(checkout, PYTHONPATH=str(checkout), TALLYLIGHT_PYTHON=sys.executable)
    assert done.returncode == 1
    assert "-venv" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plan_that_there_is_not_is_told(checkout: Path) -> None:
    script = [str(checkout / "scripts" / "setup"), "everything"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Usage: scripts/setup [run|test]" in done.stderr


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_holds_versions_and_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)
    for requirement in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[\w.-]+==[\w.]+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def test_the_tests_run_on_the_versions_that_people_run() -> None:
    versions = [
        dict(re.findall(r"^([\w.-]+)==(\S+)", (CHECKOUT / "requirements" / name).read_text(), re.MULTILINE))
        for name in ("run.lock", "dev.lock")
    ]
    assert versions[0].items() <= versions[1].items()
