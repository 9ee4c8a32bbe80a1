"""The commands that look after a server, on a real database."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from server.__main__ import app
from server.commands.demo import ensure_demo
from server.llm.script import Pace
from server.llm.scripted_server import ScriptedServer
from tests.support.instances import TALLYLIGHT, bare_environment

Invoke = Callable[..., Result]


@pytest.fixture
def urls(postgres_url: str, redis_url: str) -> dict[str, str]:
    ensure_demo(postgres_url, redis_url)
    return {"TALLYLIGHT_DATABASE_URL": postgres_url, "TALLYLIGHT_REDIS_URL": redis_url}


@pytest.fixture
def invoke(urls: dict[str, str], tmp_path: Path) -> Invoke:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path)], env=urls)

    return run


def run_program(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TALLYLIGHT, *arguments], env=bare_environment(**variables), capture_output=True, text=True, check=False
    )


def value(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def change_rows(url: str, statement: str) -> None:
    async def change() -> None:
        connection = await asyncpg.connect(url)
        try:
            # Past the triggers that guard the ledger: what a slip of the hand in psql could do.
            await connection.execute(f"SET session_replication_role = replica; {statement}")
        finally:
            await connection.close()

    asyncio.run(change())


def test_channels_are_listed(invoke: Invoke) -> None:
    channels = value(invoke("channel", "list", "--json"))
    assert [(channel["name"], channel["status"], channel["creditBalance"]) for channel in channels] == [
        ("deep-sea-lab", "ACTIVE", 50),
        ("night-kitchen", "PENDING", 0),
    ]
    assert "$5 of $10" in invoke("channel", "list").stdout


def test_the_demonstration_gives_nothing_to_a_channel_of_somebody_else(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    urls = {"TALLYLIGHT_DATABASE_URL": postgres_url, "TALLYLIGHT_REDIS_URL": redis_url}
    place = ("--data-dir", str(tmp_path))
    CliRunner().invoke(app, ["channel", "add", "deep-sea-lab", "--title", "A real lab", *place], env=urls)
    for _ in range(2):
        ensure_demo(postgres_url, redis_url)
    channels = value(CliRunner().invoke(app, ["channel", "list", "--json", *place], env=urls))
    assert {(each["name"], each["status"], each["activationFunding"], each["creditBalance"]) for each in channels} == {
        ("deep-sea-lab", "PENDING", 0, 0),
        ("night-kitchen", "PENDING", 500, 0),
    }


def test_sites_that_may_show_a_channel_are_named_and_taken_back(invoke: Invoke) -> None:
    value(invoke("channel", "add", "lab", "--title", "The Lab", "--json"))
    assert "No site may show the chat of lab." in invoke("channel", "embed", "lab").stdout
    named = ("--origin", "https://Fans.Example/", "--origin", "http://localhost:3000")
    listed = {"channel": "lab", "origins": ["https://fans.example", "http://localhost:3000"]}
    assert value(invoke("channel", "embed", "lab", *named, "--json")) == listed
    assert value(invoke("channel", "embed", "lab", "--json")) == listed
    assert value(invoke("channel", "embed", "lab", "--nobody", "--json"))["origins"] == []
    assert invoke("channel", "embed", "lab", "--origin", "https://*.example").exit_code == 1
    assert invoke("channel", "embed", "absent").exit_code == 1


def test_a_channel_is_added_and_shown(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "persona.txt").write_text("You are a lighthouse.")
    added = invoke(
        *("channel", "add", "@LightHouse", "--title", "The Lighthouse", "--goal-dollars", "25"),
        *("--persona-file", str(tmp_path / "persona.txt"), "--json"),
    )
    assert value(added)["name"] == "lighthouse"
    shown = value(invoke("channel", "show", "lighthouse", "--json"))
    assert shown["id"] == value(added)["id"]
    assert (shown["title"], shown["status"], shown["activationGoal"]) == ("The Lighthouse", "PENDING", 2_500)
    assert "The Lighthouse" in invoke("channel", "show", shown["id"]).stdout


def test_a_channel_that_is_not_there_is_told(invoke: Invoke) -> None:
    result = invoke("channel", "show", "nobody")
    assert result.exit_code == 1
    assert "There is no channel nobody" in result.stderr


def test_an_adjustment_with_an_id_is_made_once(invoke: Invoke) -> None:
    once = ("--by", "-7", "--reason", "a test", "--id", "01920000-0000-7000-8000-000000000001", "--json")
    assert value(invoke("credits", "adjust", "deep-sea-lab", *once))["creditBalance"] == 43
    assert value(invoke("credits", "adjust", "deep-sea-lab", *once))["creditBalance"] == 43
    assert value(invoke("channel", "show", "deep-sea-lab", "--json"))["creditBalance"] == 43
    assert value(invoke("ledger", "check", "--json"))["isClean"]


def test_a_sound_ledger_passes(invoke: Invoke) -> None:
    result = invoke("ledger", "check")
    assert result.exit_code == 0
    assert "The ledger is right: 2 channels" in result.stdout


def test_a_ledger_that_is_off_is_told_row_by_row(invoke: Invoke, urls: dict[str, str]) -> None:
    change_rows(urls["TALLYLIGHT_DATABASE_URL"], "UPDATE channel SET credit_balance = 51 WHERE name = 'deep-sea-lab'")
    result = invoke("ledger", "check", "--json")
    assert result.exit_code == 1
    assert "deep-sea-lab" in str(json.loads(result.stdout)["findings"])
    assert "deep-sea-lab" in invoke("ledger", "check").stdout


def test_the_schema_can_be_upgraded_any_number_of_times(empty_postgres_url: str) -> None:
    for _ in range(2):
        result = run_program("db", "upgrade", TALLYLIGHT_DATABASE_URL=empty_postgres_url)
        assert result.returncode == 0, result.stderr


def test_a_database_of_a_newer_version_is_told_without_a_traceback(empty_postgres_url: str) -> None:
    assert run_program("db", "upgrade", TALLYLIGHT_DATABASE_URL=empty_postgres_url).returncode == 0
    change_rows(empty_postgres_url, "UPDATE alembic_version SET version_num = '9999_of_tomorrow'")
    result = run_program("db", "upgrade", TALLYLIGHT_DATABASE_URL=empty_postgres_url)
    assert result.returncode == 1
    assert "the schema of another version (9999_of_tomorrow)" in result.stderr
    assert "Traceback" not in result.stderr


def test_doctor_tries_every_part(invoke: Invoke) -> None:
    result = invoke("doctor", "--json")
    findings = {finding["part"]: finding for finding in json.loads(result.stdout)}
    assert findings["PostgreSQL"]["says"].endswith("schema of this version")
    assert findings["Redis"]["says"].startswith("valkey")
    assert findings["Vocabulary"]["ok"]
    # A database is named, and what else `serve` needs is not.
    assert result.exit_code == 1
    assert "TALLYLIGHT_SECRET" in findings["Settings"]["remedy"]


def test_doctor_says_what_to_do_about_a_part_that_is_down(empty_postgres_url: str, tmp_path: Path) -> None:
    variables = {"TALLYLIGHT_REDIS_URL": "redis://127.0.0.1:1/0", "TALLYLIGHT_DATABASE_URL": empty_postgres_url}
    result = CliRunner().invoke(app, ["doctor", "--data-dir", str(tmp_path)], env=variables)
    assert result.exit_code == 1
    assert "tallylight db upgrade" in result.stdout
    assert "Set TALLYLIGHT_REDIS_URL" in result.stdout


async def test_doctor_asks_a_model_on_this_machine_past_the_proxy(tmp_path: Path) -> None:
    server = ScriptedServer(Pace(tokens_per_second=2_000, delay_ms=0))
    await server.start()
    variables = {"http_proxy": "http://127.0.0.1:1", "OPENAI_BASE_URL": server.base_url, "TALLYLIGHT_MODEL": "scripted"}
    arguments = ("doctor", "--json", "--data-dir", str(tmp_path))
    result = await asyncio.to_thread(run_program, *arguments, **variables)
    await server.stop()
    findings = {finding["part"]: finding for finding in json.loads(result.stdout)}
    assert findings["Model"]["ok"], findings["Model"]["says"]


def test_doctor_needs_nothing_on_a_bare_machine(tmp_path: Path) -> None:
    result = run_program("doctor", "--data-dir", str(tmp_path / "none"), TALLYLIGHT_LLM="scripted")
    assert result.returncode == 0, result.stdout
    assert "would be started from" in result.stdout
    assert not (tmp_path / "none").exists()


def test_a_command_without_a_server_says_how_to_get_one(tmp_path: Path) -> None:
    result = run_program("channel", "list", "--data-dir", str(tmp_path))
    assert result.returncode == 1
    assert "TALLYLIGHT_DATABASE_URL is not set, and no instance runs" in result.stderr
    assert "tallylight run" in result.stderr


def test_a_database_that_is_down_is_told_without_a_traceback(tmp_path: Path) -> None:
    url = "postgresql://u:hidden@127.0.0.1:1/db"
    result = run_program("channel", "list", "--data-dir", str(tmp_path), TALLYLIGHT_DATABASE_URL=url)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "hidden" not in result.stderr
    assert "tallylight doctor" in result.stderr


def test_the_version_is_shown() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.strip().count(".") == 2
