"""The sandbox's page on a real server: what it shows, who may decide, and what comes of each choice."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import httpx2
import pytest

from server.domain.transactions import TransactionType
from server.ledger.payments.sandbox import checkout_path
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.ledger.books import Books
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.socket_client import of_kind
from tests.support.waiting import eventually

BACK = "/c/somewhere"


@dataclass
class Till:
    """A contribution at the checkout of a running server, and the browser of a giver."""

    books: Books
    browser: httpx2.AsyncClient
    channel_id: UUID
    contribution_id: UUID

    @property
    def path(self) -> str:
        return checkout_path(self.contribution_id, BACK)

    async def choose(self, outcome: str, **headers: str) -> httpx2.Response:
        own = {"origin": str(self.browser.base_url)}
        return await self.browser.post(self.path, data={"outcome": outcome}, headers=own | headers)

    async def status(self) -> str:
        query = "SELECT status FROM contribution WHERE id = $1"
        return str(await self.books.postgres.pool.fetchval(query, self.contribution_id))

    async def problems(self) -> list[str]:
        rows = await self.books.postgres.pool.fetch("SELECT problem FROM provider_event WHERE applied_at IS NULL")
        return [row["problem"] for row in rows]


@pytest.fixture
async def gateway(postgres_url: str, redis_url: str) -> AsyncIterator[LocalGateway]:
    async with local_gateway(postgres_url, redis_url) as running:
        yield running


@pytest.fixture
async def till(gateway: LocalGateway, postgres: Postgres) -> AsyncIterator[Till]:
    books = Books(postgres)
    channel_id = await books.channel(goal_cents=1_000, is_active=False)
    await books.give(channel_id, TransactionType.ACTIVATION, 600)
    new = await books.contribution(channel_id, TransactionType.ACTIVATION, 1_000)
    async with httpx2.AsyncClient(base_url=gateway.url) as browser:
        yield Till(books, browser, channel_id, new.id)


async def test_the_page_says_what_is_paid_for_and_that_no_money_moves(till: Till) -> None:
    page = await till.browser.get(till.path)
    assert page.status_code == 200
    for text in ("Sandbox: no money moves.", "$10 for A channel", "Activation", "$4", "60 credits", "$6"):
        assert text in page.text, text
    for outcome in ("pay", "fail", "later", "twice"):
        assert f'name="outcome" value="{outcome}"' in page.text
    assert [script for script in page.text.split("<script")[1:] if "session-bar.js" not in script] == []


async def test_paying_credits_and_leads_back(till: Till) -> None:
    answer = await till.choose("pay")
    assert (answer.status_code, answer.headers["location"]) == (303, BACK)
    assert (await till.status(), (await till.books.balance(till.channel_id)).balance) == ("SETTLED", 60)
    page = await till.browser.get(till.path)
    for text in ("This is paid.", "What it became", "$4", "60 credits"):
        assert text in page.text, text
    await till.books.assert_clean()


async def test_a_double_click_pays_once(till: Till) -> None:
    await till.choose("pay")
    assert (await till.choose("pay")).status_code == 303
    assert (await till.books.balance(till.channel_id)).balance == 60
    assert await till.problems() == []


async def test_a_payment_may_fail_and_then_credits_nothing(till: Till) -> None:
    assert (await till.choose("fail")).status_code == 303
    assert (await till.status(), (await till.books.balance(till.channel_id)).balance) == ("FAILED", 0)
    assert "This payment failed." in (await till.browser.get(till.path)).text


async def test_later_is_pending_first_and_paid_after_a_while(till: Till) -> None:
    assert (await till.choose("later")).status_code == 303
    assert await till.status() == "PENDING"

    async def is_settled() -> bool:
        return await till.status() == "SETTLED"

    await eventually(is_settled)
    assert (await till.books.balance(till.channel_id)).balance == 60


async def test_twice_is_credited_once_and_the_second_payment_is_owed(till: Till) -> None:
    assert (await till.choose("twice")).status_code == 303
    assert (await till.status(), (await till.books.balance(till.channel_id)).balance) == ("SETTLED", 60)
    assert await till.problems() == ["PAID_TWICE"]
    await till.books.assert_clean()


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1:1"])
async def test_no_other_page_decides(till: Till, origin: str) -> None:
    answer = await till.choose("pay", origin=origin, accept="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert await till.status() == "CREATED"


async def test_no_origin_at_all_does_not_decide(till: Till) -> None:
    answer = await till.browser.post(till.path, data={"outcome": "pay"}, headers={"accept": "application/json"})
    assert answer.json()["code"] == "forbidden"
    assert await till.status() == "CREATED"


@pytest.mark.parametrize("outcome", ["", "PAY", "refund"])
async def test_another_outcome_is_refused(till: Till, outcome: str) -> None:
    answer = await till.choose(outcome, accept="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert await till.status() == "CREATED"


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", "", "/%0d%0ax"]
)
async def test_it_never_leads_to_another_site(till: Till, back: str) -> None:
    path = f"/checkout/{till.contribution_id}?return={back}"
    own = {"origin": str(till.browser.base_url)}
    answer = await till.browser.post(path, data={"outcome": "pay"}, headers=own)
    assert answer.headers["location"] == f"/c/channel-{till.channel_id}"


async def test_an_id_that_is_none_and_one_of_nobody_are_not_found(till: Till) -> None:
    for name in ("nothing", str(new_id())):
        answer = await till.browser.get(f"/checkout/{name}", headers={"accept": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_contribution_of_another_provider_has_no_checkout_here(till: Till) -> None:
    await till.books.postgres.pool.execute(
        "UPDATE contribution SET provider = 'stripe' WHERE id = $1", till.contribution_id
    )
    assert (await till.choose("pay")).status_code == 404
    assert await till.status() == "CREATED"


async def test_an_open_page_hears_of_the_payment(gateway: LocalGateway, till: Till) -> None:
    client = await gateway.connect()
    await client.call("watch", channel=f"channel-{till.channel_id}")
    await till.choose("pay")
    await client.wait_for(of_kind("credit", balance=60, why="purchase"))
