"""`tallylight run` from start to end, in every way that it may end."""

import json
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from server.embedded.accounts import choose_account
from server.embedded.binaries import find_postgres
from server.embedded.child import Account, Orders, run_briefly
from server.embedded.instance import find_instance
from tests.support.data_folders import DataFolders
from tests.support.instances import TALLYLIGHT, TallylightRun, bare_environment
from tests.support.waiting import wait_for

Start = Callable[..., TallylightRun]


@pytest.fixture
def data_dir(data_folders: DataFolders) -> Path:
    return data_folders.new().path / "data"


@pytest.fixture
def start(data_dir: Path, tmp_path: Path) -> Iterator[Start]:
    started: list[TallylightRun] = []

    def begin(*arguments: str, **options: object) -> TallylightRun:
        log = tmp_path / f"log-{len(started)}"
        started.append(TallylightRun(data_dir, log, *arguments, **options))  # type: ignore[arg-type]
        return started[-1]

    yield begin
    for running in started:
        running.kill()
    for running in started:
        running.wait_gone()


def is_closed(port: int) -> bool:
    """Whether only root may listen there."""
    lowest = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    return lowest.exists() and port < int(lowest.read_text())


def balance(running: TallylightRun) -> int:
    answer = httpx2.get(f"{running.address}/api/channels/deep-sea-lab")
    credits: int = answer.json()["creditBalance"]
    return credits


def test_a_first_start_shows_each_part_and_answers(start: Start) -> None:
    running = start()
    running.wait_ready()
    for words in (
        "PostgreSQL  18",
        "Valkey",
        "Database",
        "Model       canned answers",
        "1,000 chats a day",
        "100 times",
    ):
        assert words in running.output
    assert "/c/deep-sea-lab  on air, 50 credits" in running.output
    assert "tallylight chat deep-sea-lab --data-dir" in running.output
    assert "/c/night-kitchen  off air, $5 of $10 goal reached" in running.output
    assert httpx2.get(f"{running.address}/readyz").json()["ready"]
    assert "Deep Sea Lab" in httpx2.get(f"{running.address}/c/deep-sea-lab").text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(start: Start, number: signal.Signals) -> None:
    running = start()
    running.wait_ready()
    assert len(running.processes()) > 2
    assert running.end(number) == 0
    assert find_instance(running.data_dir) is None


def test_data_are_there_at_the_next_start(start: Start) -> None:
    first = start()
    first.wait_ready()
    adjust = ("credits", "adjust", "deep-sea-lab", "--by=-8", "--reason=a test", f"--data-dir={first.data_dir}")
    subprocess.run([*TALLYLIGHT, *adjust], env=bare_environment(), check=True, capture_output=True)
    first.end()
    second = start()
    second.wait_ready()
    assert balance(second) == 42
    assert "on air, 42 credits" in second.output


def test_a_kill_leaves_nothing_behind_and_the_next_start_recovers(start: Start) -> None:
    killed = start()
    killed.wait_ready()
    killed.end(signal.SIGKILL)
    again = start()
    again.wait_ready()
    assert balance(again) == 50


@pytest.mark.long
def test_a_kill_in_the_middle_of_the_first_start_is_no_harm(start: Start, data_dir: Path) -> None:
    killed = start()
    wait_for((data_dir / "postgres.new").exists, every_seconds=0.001)
    killed.end(signal.SIGKILL)
    again = start()
    again.wait_ready()


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_the_start_ends_everything_too(start: Start, number: signal.Signals) -> None:
    running = start()
    wait_for(lambda: "PostgreSQL" in running.output)
    assert running.end(number) == 128 + number


def test_a_second_start_says_where_the_first_one_is(start: Start) -> None:
    first = start()
    first.wait_ready()
    second = start()
    assert second.process.wait(20) == 1
    assert f"already running at {first.address}" in second.output
    assert balance(first) == 50


def test_a_port_that_was_asked_for_and_is_taken_is_an_error(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = start("--port", str(taken.getsockname()[1]))
        assert running.process.wait(20) == 1
    assert "is taken" in running.output
    assert "--port" in running.output
    assert not running.processes()


@pytest.mark.skipif(not is_closed(80), reason="this machine lets every user listen on low ports")
def test_a_port_that_is_closed_to_us_is_told(tmp_path: Path) -> None:
    argv = (*TALLYLIGHT, "run", "--port", "80", "--data-dir", str(tmp_path / "data"))
    # Root may listen anywhere, unless it is in a namespace of its own.
    account = Account.NAMESPACE if os.geteuid() == 0 else Account.SAME
    done = run_briefly(Orders(argv, account, env=bare_environment(TALLYLIGHT_LLM="scripted")), 20)
    assert done.returncode == 1
    assert "Port 80 is closed to this user" in done.stderr
    assert "--port" in done.stderr


def test_a_data_folder_that_cannot_be_made_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "in the way").touch()
    running = start("--data-dir", str(tmp_path / "in the way"))
    assert running.process.wait(20) == 1
    assert f"The data folder {tmp_path / 'in the way'} cannot be made" in running.output
    assert "TALLYLIGHT_DATA_DIR" in running.output


def test_a_wrong_setting_is_told_before_anything_starts(start: Start, data_dir: Path) -> None:
    running = start(variables={"TALLYLIGHT_SETTING_CHAT_ANSWER_TOKENS": "many"})
    assert running.process.wait(20) == 1
    assert "TALLYLIGHT_SETTING_CHAT_ANSWER_TOKENS is 'many'" in running.output
    assert not (data_dir / "postgres").exists()


def test_each_part_can_be_replaced(start: Start, data_dir: Path, empty_postgres_url: str, redis_url: str) -> None:
    own = {"TALLYLIGHT_DATABASE_URL": empty_postgres_url, "TALLYLIGHT_REDIS_URL": redis_url}
    running = start(variables=own)
    running.wait_ready()
    assert "yours" in running.output
    assert empty_postgres_url not in running.output
    assert not running.process_children()
    assert not (data_dir / "postgres").exists()
    assert balance(running) == 50


def test_production_gets_no_demonstration(start: Start, empty_postgres_url: str, redis_url: str) -> None:
    own = {"TALLYLIGHT_DATABASE_URL": empty_postgres_url, "TALLYLIGHT_REDIS_URL": redis_url}
    running = start(variables={**own, "TALLYLIGHT_ENV": "production"})
    running.wait_ready()
    address = next(word for word in running.output.split() if word.startswith("http://"))
    assert httpx2.get(f"{address}api/channels").json()["items"] == []


def test_a_part_that_cannot_be_reached_is_named(start: Start, redis_url: str) -> None:
    own = {"TALLYLIGHT_DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/db", "TALLYLIGHT_REDIS_URL": redis_url}
    running = start(variables=own)
    assert running.process.wait(20) == 1
    assert "TALLYLIGHT_DATABASE_URL" in running.output
    assert "hidden" not in running.output
    assert "Traceback" not in running.output


@pytest.mark.long
def test_a_part_that_ends_by_itself_is_started_again(start: Start) -> None:
    running = start()
    running.wait_ready()
    for name, said in (("postgres", "PostgreSQL"), ("valkey-server", "Valkey")):
        running.part(name).kill()
        wait_for(lambda said=said: f"{said} had ended and was started again" in running.output)  # type: ignore[misc]
    wait_for(lambda: httpx2.get(f"{running.address}/readyz").status_code == 200)
    assert balance(running) == 50
    assert running.end() == 0


def test_what_it_publishes_is_for_its_owner_only(start: Start, data_dir: Path) -> None:
    running = start()
    running.wait_ready()
    file = data_dir / "instance.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    published = json.loads(file.read_text())
    assert (published["address"], published["pid"]) == (running.address, running.process.pid)
    for process in running.processes():
        assert published["environment"]["TALLYLIGHT_DATABASE_URL"] not in str(process.cmdline())


@pytest.mark.long
def test_it_runs_as_somebody_else_than_root(start: Start, tmp_path: Path) -> None:
    found = find_postgres()
    assert found is not None
    # In a namespace of our own we are `nobody` to every program, and still may read what is ours.
    account = choose_account(found) if os.geteuid() == 0 else Account.SAME
    orders = Orders(TALLYLIGHT, account, env=bare_environment(TALLYLIGHT_LLM="scripted"))
    running = start(command=namespace_command(orders, tmp_path))
    running.wait_ready()
    assert balance(running) == 50
    assert running.end() == 0


def namespace_command(orders: Orders, folder: Path) -> list[str]:
    """A command that takes arguments and hands them on to a program under another account."""
    *launcher, text = orders.command()
    description = json.loads(text) | {"death_signal": None}
    script = folder / "as somebody else"
    script.write_text(
        "import json, os, sys\n"
        f"launcher, orders = {launcher!r}, {description!r}\n"
        "orders['argv'] += sys.argv[1:]\n"
        "os.execv(launcher[0], [*launcher, json.dumps(orders)])\n"
    )
    return [launcher[0], str(script)]
