"""`POST /api/admin/transactions/{id}/reversal`: an admin takes money back, once for each key."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest

from server.auth.cookies import LOOPBACK_NAME
from server.domain.transactions import TransactionType
from server.domain.users import UserRole
from server.ledger.reversals import MAX_REASON_CHARACTERS
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.api.site import Site
from tests.ledger.books import Books
from tests.ledger.test_reversals import Desk
from tests.support.people import Person, signed_in


@dataclass
class Office:
    """An admin at the browser, and a channel with a purchase of 50 credits for $5."""

    client: httpx2.AsyncClient
    admin: Person
    books: Books
    channel_id: UUID
    bought: UUID

    async def ask(
        self, body: object = None, *, key: str | None = "key-00001", transaction_id: object = None
    ) -> httpx2.Response:
        headers = {"origin": str(self.client.base_url)} | ({} if key is None else {"idempotency-key": key})
        path = f"/api/admin/transactions/{transaction_id or self.bought}/reversal"
        return await self.client.post(path, json={"reason": "why"} if body is None else body, headers=headers)

    async def reversals(self) -> int:
        return int(
            await self.books.postgres.pool.fetchval('SELECT count(*) FROM "transaction" WHERE reverses_id IS NOT NULL')
        )


@pytest.fixture
async def office(client: httpx2.AsyncClient, postgres: Postgres) -> AsyncIterator[Office]:
    admin = await signed_in(postgres, "the_admin", UserRole.ADMIN)
    client.cookies.set(LOOPBACK_NAME, admin.token)
    books = Books(postgres)
    channel_id = await books.channel()
    yield Office(client, admin, books, channel_id, await Desk(books).bought(channel_id, 500))
    await books.assert_clean()


async def test_a_whole_reversal_answers_with_its_row(office: Office) -> None:
    answer = await office.ask({"reason": "the card was stolen"})
    assert answer.status_code == 201
    told: dict[str, Any] = answer.json()
    assert (told["amount"], told["credits"], told["deficitCredits"]) == (-500, -50, 0)
    assert (told["reversesId"], told["type"], told["currency"]) == (str(office.bought), "CREDIT_PURCHASE", "USD")
    assert (told["reason"], told["channel"]) == ("the card was stolen", f"channel-{office.channel_id}")
    by = await office.books.postgres.pool.fetchval(
        'SELECT reversed_by FROM "transaction" WHERE id = $1', UUID(told["id"])
    )
    assert by == office.admin.user_id


async def test_what_was_used_is_told_as_a_deficit(office: Office) -> None:
    await office.books.charged_chat(office.channel_id)
    assert (await office.ask()).json()["deficitCredits"] == 1


async def test_a_part_leaves_the_rest(office: Office) -> None:
    assert (await office.ask({"reason": "why", "amount": 200})).json()["amount"] == -200
    assert (await office.ask({"reason": "why", "amount": None}, key="key-00002")).json()["amount"] == -300
    answer = await office.ask(key="key-00003")
    assert (answer.status_code, answer.json()["code"], answer.json()["details"]) == (409, "conflict", {"left": 0})


async def test_more_than_is_left_is_a_conflict_with_the_figures(office: Office) -> None:
    answer = await office.ask({"reason": "why", "amount": 501})
    assert (answer.status_code, answer.json()["details"]) == (409, {"amount": 501, "left": 500})
    assert await office.reversals() == 0


async def test_the_same_request_again_gets_the_same_answer(office: Office) -> None:
    first = await office.ask({"reason": "why", "amount": 200})
    again = await office.ask({"reason": "why", "amount": 200})
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert await office.reversals() == 1


async def test_the_same_key_on_another_device_long_after_gets_the_same_answer(
    office: Office, postgres: Postgres
) -> None:
    first = await office.ask({"reason": "why", "amount": 200})
    await postgres.pool.execute("DELETE FROM idempotency_key")
    again = await office.ask({"reason": "why", "amount": 200})
    assert (again.status_code, again.json()) == (201, first.json())
    assert await office.reversals() == 1


async def test_the_same_key_for_something_else_is_a_conflict(office: Office, postgres: Postgres) -> None:
    await office.ask({"reason": "why", "amount": 200})
    for _ in range(2):  # first by the key that is kept, then by the row itself
        answer = await office.ask({"reason": "why", "amount": 201})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        await postgres.pool.execute("DELETE FROM idempotency_key")
    assert await office.reversals() == 1


async def test_a_double_click_is_one_reversal(office: Office) -> None:
    answers = await asyncio.gather(*(office.ask({"reason": "why", "amount": 100}) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"busy"}
    assert await office.reversals() == 1


@pytest.mark.parametrize("key", [None, "short", "x" * 65, "with space"])
async def test_a_reversal_needs_a_key(office: Office, key: str | None) -> None:
    answer = await office.ask(key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": "  "},
        {"reason": "a\0b"},
        {"reason": "x" * (MAX_REASON_CHARACTERS + 1)},
        {"reason": None},
        {"reason": "why", "amount": 0},
        {"reason": "why", "amount": -1},
        {"reason": "why", "amount": 1.5},
        {"reason": "why", "amount": "200"},
        {"reason": "why", "amount": True},
        {"reason": "why", "amount": 100_000_001},
        {"reason": "why", "amount": 2**63},
        {"reason": "why", "credits": 5},
        [],
    ],
)
async def test_what_is_not_right_is_refused_and_changes_nothing(office: Office, body: object) -> None:
    answer = await office.ask(body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert await office.reversals() == 0


@pytest.mark.parametrize("transaction_id", [new_id(), "x", "0", "..", "1; DROP TABLE chat"])
async def test_a_transaction_that_is_not_there_is_not_found(office: Office, transaction_id: object) -> None:
    answer = await office.ask(transaction_id=transaction_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_reversal_cannot_be_reversed(office: Office) -> None:
    reversal = (await office.ask()).json()
    answer = await office.ask(transaction_id=reversal["id"], key="key-00002")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_an_activation_is_taken_from_the_funding(office: Office, site: Site) -> None:
    activation = await office.books.postgres.pool.fetchval(
        'SELECT id FROM "transaction" WHERE type = $1', TransactionType.ACTIVATION
    )
    told = (await office.ask({"reason": "why", "amount": 300}, transaction_id=activation)).json()
    assert (told["type"], told["amount"], told["credits"]) == ("ACTIVATION", -300, 0)
    channel = (await office.client.get(f"/api/channels/channel-{office.channel_id}")).json()
    assert (channel["status"], channel["activationFunding"]) == ("ACTIVE", 700)
