"""`tallylight serve` as production starts it: nothing but the environment, one process."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from server.embedded.ports import free_port
from tests.support.instances import TALLYLIGHT, bare_environment
from tests.support.waiting import wait_for


@pytest.fixture
def variables(postgres_url: str, redis_url: str) -> dict[str, str]:
    return bare_environment(
        TALLYLIGHT_DATABASE_URL=postgres_url,
        TALLYLIGHT_REDIS_URL=redis_url,
        TALLYLIGHT_PUBLIC_URL="https://chat.example",
        TALLYLIGHT_SECRET="s" * 40,
        TALLYLIGHT_LLM="scripted",
    )


@pytest.fixture
def served(variables: dict[str, str], tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str, Path]]:
    log, port = tmp_path / "log", free_port()
    with log.open("wb") as output:
        process = subprocess.Popen([*TALLYLIGHT, "serve", "--port", str(port)], env=variables, stderr=output)
    yield process, f"http://127.0.0.1:{port}", log
    process.kill()
    process.wait()


def is_ready(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def test_one_process_serves_and_ends_cleanly(served: tuple["subprocess.Popen[bytes]", str, Path]) -> None:
    process, address, log = served
    wait_for(lambda: is_ready(address), 30)
    assert psutil.Process(process.pid).children() == []
    assert "__Host-tallylight_session" in httpx2.get(f"{address}/").headers["set-cookie"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    for line in log.read_text().splitlines():
        assert {"event", "level", "timestamp"} <= json.loads(line).keys()


def test_what_is_missing_is_told_at_once() -> None:
    done = subprocess.run([*TALLYLIGHT, "serve"], env=bare_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for name in ("DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "SECRET", "MODEL"):
        assert f"TALLYLIGHT_{name}" in done.stderr


def test_another_schema_is_refused(variables: dict[str, str], empty_postgres_url: str) -> None:
    variables["TALLYLIGHT_DATABASE_URL"] = empty_postgres_url
    done = subprocess.run([*TALLYLIGHT, "serve"], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "tallylight db upgrade" in done.stderr


def test_a_host_that_is_not_ours_is_told(variables: dict[str, str]) -> None:
    argv = [*TALLYLIGHT, "serve", "--host", "192.0.2.1"]
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "192.0.2.1 is not an address of this machine" in done.stderr
    assert "--host" in done.stderr
