"""`python -m load_tests` as people start it: it ends everything that it has started, whatever happens."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from load_tests.stage import ROOT
from tests.support.waiting import wait_for

WITHIN_SECONDS = 90.0

pytestmark = pytest.mark.long


def start(results: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "load_tests", "--results", str(results), *arguments], cwd=ROOT)


def test_both_servers_are_measured_and_everything_ends(tmp_path: Path) -> None:
    command = start(tmp_path, "steady", "--streams", "2", "--seconds", "1", "--rounds", "1")
    children: dict[int, psutil.Process] = {}

    def note_children() -> bool:
        if command.poll() is None:
            children.update({child.pid: child for child in psutil.Process(command.pid).children(recursive=True)})
        return command.poll() is not None

    wait_for(note_children, WITHIN_SECONDS)
    assert command.returncode == 0
    told = msgspec.json.decode(next(tmp_path.glob("*.json")).read_bytes())
    assert [(run["server"], run["faults"]) for run in told["runs"]] == [("bare", []), ("tallylight", [])]
    assert len(list(tmp_path.glob("*.svg"))) == 1
    assert len(children) >= 5
    assert not any(child.is_running() for child in children.values())


def test_a_signal_ends_all_of_it(tmp_path: Path) -> None:
    command = start(tmp_path, "idle", "--connections", "10")
    process = psutil.Process(command.pid)
    wait_for(lambda: len(process.children()) >= 3, WITHIN_SECONDS)
    children = process.children(recursive=True)
    command.send_signal(signal.SIGTERM)
    assert command.wait(WITHIN_SECONDS) != 0
    wait_for(lambda: not any(child.is_running() for child in children))
