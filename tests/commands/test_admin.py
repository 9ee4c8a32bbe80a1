"""`tallylight admin` and `tallylight transactions`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
from typer.testing import CliRunner, Result

from server.__main__ import app
from server.domain.errors import Code, Refusal
from server.domain.transactions import TransactionType
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.ledger.books import Books
from tests.ledger.test_reversals import Desk
from tests.support.rows import Rows

Invoke = Callable[..., Result]
T = TypeVar("T")


@pytest.fixture
def invoke(postgres_url: str, redis_url: str, tmp_path: Path) -> Invoke:
    def run(*arguments: str) -> Result:
        variables = {
            "TALLYLIGHT_DATABASE_URL": postgres_url,
            "TALLYLIGHT_REDIS_URL": redis_url,
            "COLUMNS": "200",
        }
        return CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path)], env=variables)

    return run


def on(postgres_url: str, work: Callable[[Postgres], Awaitable[T]]) -> T:
    async def run() -> T:
        postgres = await Postgres.open(postgres_url)
        try:
            return await work(postgres)
        finally:
            await postgres.close()

    return asyncio.run(run())


def value(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refusal(result: Result) -> Refusal:
    """What `main` tells with exit code 1."""
    assert isinstance(result.exception, Refusal)
    return result.exception


def role_of(postgres_url: str, user_id: UUID) -> str:
    return str(on(postgres_url, lambda p: p.pool.fetchval('SELECT role FROM "user" WHERE id = $1', user_id)))


def test_an_admin_is_made_and_unmade(invoke: Invoke, postgres_url: str) -> None:
    user_id = on(postgres_url, lambda p: Rows(p).user("mara_k"))
    assert "mara_k is an admin now." in invoke("admin", "grant", "Mara_K").stdout
    assert role_of(postgres_url, user_id) == "ADMIN"
    assert "mara_k is already an admin." in invoke("admin", "grant", "mara_k").stdout
    assert "mara_k is no admin now." in invoke("admin", "revoke", "mara_k").stdout
    assert role_of(postgres_url, user_id) == "USER"
    assert "mara_k is already no admin." in invoke("admin", "revoke", "mara_k").stdout


def test_an_admin_is_made_for_programs(invoke: Invoke, postgres_url: str) -> None:
    user_id = on(postgres_url, lambda p: Rows(p).user("mara_k"))
    made = value(invoke("admin", "grant", "mara_k", "--json"))
    assert made == {"id": str(user_id), "username": "mara_k", "role": "ADMIN", "before": "USER"}


def test_what_is_logged_is_no_part_of_the_result(invoke: Invoke, postgres_url: str) -> None:
    on(postgres_url, lambda p: Rows(p).user("mara_k"))
    result = invoke("admin", "grant", "mara_k", "--json")
    assert "role_changed" in result.stderr
    assert "role_changed" not in result.stdout


@pytest.mark.parametrize("username", ["nobody", "", "a\0b", "%", "mara_"])
def test_a_user_who_is_not_there_is_told(invoke: Invoke, postgres_url: str, username: str) -> None:
    on(postgres_url, lambda p: Rows(p).user("mara_k"))
    refused = refusal(invoke("admin", "grant", username))
    assert refused.code is Code.NOT_FOUND
    assert "There is no user" in refused.message


def test_a_deleted_account_is_nobody(invoke: Invoke, postgres_url: str) -> None:
    on(postgres_url, lambda p: Rows(p).user("mara_k"))
    on(postgres_url, lambda p: p.pool.execute('UPDATE "user" SET deleted_at = now()'))
    assert refusal(invoke("admin", "grant", "mara_k")).code is Code.NOT_FOUND


async def _bought(postgres: Postgres) -> tuple[UUID, UUID]:
    books = Books(postgres)
    channel_id = await books.channel()
    return channel_id, await Desk(books).bought(channel_id, 500)


def test_a_transaction_is_reversed(invoke: Invoke, postgres_url: str) -> None:
    channel_id, bought = on(postgres_url, _bought)
    result = invoke("transactions", "reverse", str(bought), "--reason", "by mistake", "--amount", "200")
    assert f"Reversed $2.00 of channel-{channel_id}: 20 credits taken back." in result.stdout
    assert "had been used" not in result.stderr
    assert "transaction_reversed" in result.stderr
    on(postgres_url, lambda p: Books(p).charged_chat(channel_id))
    rest = invoke("transactions", "reverse", str(bought), "--reason", "by mistake")
    assert "Reversed $3.00" in rest.stdout
    assert "29 credits taken back" in rest.stdout
    assert "1 credits had been used already" in rest.stderr
    on(postgres_url, lambda p: Books(p).assert_clean())


def test_an_activation_is_reversed(invoke: Invoke, postgres_url: str) -> None:
    on(postgres_url, _bought)
    query = 'SELECT id FROM "transaction" WHERE type = $1'
    activation = on(postgres_url, lambda p: p.pool.fetchval(query, TransactionType.ACTIVATION))
    result = invoke("transactions", "reverse", str(activation), "--reason", "by mistake")
    assert "its activation has that much less" in result.stdout


def test_with_a_key_the_command_can_be_repeated(invoke: Invoke, postgres_url: str) -> None:
    _, bought = on(postgres_url, _bought)
    command = ("transactions", "reverse", str(bought), "--reason", "why", "--amount", "200", "--key", "key-1", "--json")
    made = value(invoke(*command))
    assert (made["amount"], made["credits"], made["deficitCredits"], made["reversesId"]) == (-200, -20, 0, str(bought))
    assert value(invoke(*command)) == made
    assert refusal(invoke(*command[:-2], "key-1", "--amount", "100")).code is Code.CONFLICT


def test_more_than_is_left_is_told(invoke: Invoke, postgres_url: str) -> None:
    _, bought = on(postgres_url, _bought)
    refused = refusal(invoke("transactions", "reverse", str(bought), "--reason", "why", "--amount", "501"))
    assert (refused.code, "500 cents are left" in refused.message) == (Code.CONFLICT, True)
    unknown = refusal(invoke("transactions", "reverse", str(new_id()), "--reason", "why"))
    assert unknown.code is Code.NOT_FOUND


@pytest.mark.parametrize(
    "arguments", [("x", "--reason", "why"), (str(new_id()),), (str(new_id()), "--reason", "why", "--amount", "0")]
)
def test_a_wrong_command_line_is_exit_code_2(invoke: Invoke, arguments: tuple[str, ...]) -> None:
    assert invoke("transactions", "reverse", *arguments).exit_code == 2
