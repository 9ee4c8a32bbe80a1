"""`tallylight apikey`, and the key that `tallylight run` keeps."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from server.__main__ import app
from server.commands.own_key import ensure_own_key, read_own_key
from server.domain.errors import Refusal
from server.embedded.data_folder import DataFolder

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(postgres_url: str, tmp_path: Path) -> Invoke:
    def run(*arguments: str) -> Result:
        variables = {"TALLYLIGHT_DATABASE_URL": postgres_url, "COLUMNS": "200"}
        return CliRunner().invoke(app, ["apikey", *arguments, "--data-dir", str(tmp_path)], env=variables)

    return run


def value(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_key_is_shown_once(invoke: Invoke) -> None:
    created = invoke("create", "load tester")
    secret = created.stdout.strip()
    assert secret.startswith("tl_")
    assert "shown this once" in created.stderr
    assert secret not in created.stderr
    listed = invoke("list")
    assert "load tester" in listed.stdout
    assert "never" in listed.stdout
    assert secret not in listed.stdout


def test_keys_are_made_listed_and_revoked_for_programs(invoke: Invoke) -> None:
    made = value(invoke("create", "load tester", "--json"))
    assert made["key"].startswith("tl_")
    assert value(invoke("list", "--json")) == [{name: made[name] for name in made if name != "key"}]
    revoked = value(invoke("revoke", made["id"], "--json"))
    assert revoked["revokedAt"] is not None
    assert value(invoke("revoke", made["id"], "--json")) == revoked
    assert "revoked 2" in invoke("list").stdout
    assert "load tester is revoked" in invoke("revoke", made["id"]).stdout


def test_a_key_that_there_is_not_is_told(invoke: Invoke) -> None:
    result = invoke("revoke", "01920000-0000-7000-8000-000000000001")
    assert result.exit_code == 1
    assert "There is no key" in result.stderr


def test_a_name_that_is_not_right_is_told(invoke: Invoke) -> None:
    result = invoke("create", "   ")
    assert isinstance(result.exception, Exception)
    assert "printable" in str(result.exception)


def test_the_key_of_a_data_folder_is_made_once_and_nobody_else_may_read_it(postgres_url: str, tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert read_own_key(tmp_path) is None
    ensure_own_key(folder, postgres_url)
    kept = read_own_key(tmp_path)
    assert kept is not None
    assert kept.startswith("tl_")
    assert stat.S_IMODE((tmp_path / "secrets" / "api-key").stat().st_mode) == 0o600
    ensure_own_key(folder, postgres_url)
    assert read_own_key(tmp_path) == kept


def test_a_key_that_was_revoked_is_made_anew(postgres_url: str, tmp_path: Path, invoke: Invoke) -> None:
    folder = DataFolder(tmp_path)
    ensure_own_key(folder, postgres_url)
    kept = read_own_key(tmp_path)
    [made] = value(invoke("list", "--json"))
    assert made["name"] == "tallylight run"
    invoke("revoke", made["id"])
    ensure_own_key(folder, postgres_url)
    assert read_own_key(tmp_path) not in {None, kept}


def test_a_key_has_the_scopes_that_it_was_made_with(invoke: Invoke) -> None:
    assert value(invoke("create", "reader", "--scope", "read", "--json"))["scopes"] == ["read"]
    assert value(invoke("create", "program", "--json"))["scopes"] == ["chat", "read"]
    assert "(chat, read)" in " ".join(invoke("list").stdout.split())


@pytest.mark.parametrize(
    ("more", "words"),
    [(("--scope", "admin"), "Only an admin"), (("--owner", "nobody"), "There is no user nobody")],
)
def test_a_key_that_nobody_may_have_is_told(invoke: Invoke, more: tuple[str, str], words: str) -> None:
    result = invoke("create", "program", *more)
    assert isinstance(result.exception, Refusal)
    assert words in result.exception.message
    assert value(invoke("list", "--json")) == []
