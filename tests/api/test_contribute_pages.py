"""The pages of a contribution without JavaScript: a form, the quote, the checkout, and what became of it."""

import re
from html.parser import HTMLParser
from urllib.parse import urlencode
from uuid import UUID

import httpx2
import pytest

from server.domain.errors import Code, Refusal
from server.domain.settings import Settings
from server.ledger.contributions import settle
from server.ledger.reversals import reverse_contribution
from server.storage.postgres import Postgres
from tests.api.site import PORT, Site
from tests.support.ids import ABSENT_ID
from tests.support.payments import PaperProvider
from tests.support.rows import Rows

ORIGIN = {"origin": f"http://127.0.0.1:{PORT}"}
FORM = "/c/lab/contribute"
REVIEW = f"{FORM}/review"


class Fields(HTMLParser):
    """The values that a page's forms would send: of hidden and text fields, and of radios that are marked."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "input" and (found.get("type") != "radio" or "checked" in found):
            self.values[found["name"] or ""] = found.get("value") or ""


def fields_of(page: httpx2.Response) -> dict[str, str]:
    return Fields(page.text).values


@pytest.fixture
async def visitor(client: httpx2.AsyncClient, rows: Rows) -> httpx2.AsyncClient:
    """Somebody with a session, at a PENDING channel with a goal of $10."""
    await rows.channel("lab")
    await client.get("/")
    client.headers.update(ORIGIN)
    return client


async def review(visitor: httpx2.AsyncClient, **query: str) -> httpx2.Response:
    return await visitor.get(f"{REVIEW}?{urlencode({'type': 'ACTIVATION', 'amount': '16'} | query)}")


async def pay(visitor: httpx2.AsyncClient, fields: dict[str, str]) -> httpx2.Response:
    return await visitor.post(FORM, data=fields)


async def count(rows: Rows) -> int:
    return int(await rows.postgres.pool.fetchval("SELECT count(*) FROM contribution"))


async def test_from_the_form_to_the_thanks(visitor: httpx2.AsyncClient, postgres: Postgres) -> None:
    form = fields_of(await visitor.get(FORM))
    assert (form["type"], form["preset"], form["amount"]) == ("ACTIVATION", "500", "")
    quote = await review(visitor, displayName="Mara")
    assert "$10 finishes the goal, $6 buys 60 credits." in quote.text
    assert "You appear as <b>Mara</b>" in quote.text
    paid = await pay(visitor, fields_of(quote))
    assert paid.status_code == 303
    contribution_id = paid.headers["location"].removeprefix("/checkout/")
    path = f"/contributions/{contribution_id}"
    waiting = await visitor.get(path)
    assert "Your $16 has not arrived yet" in waiting.text
    assert f'href="/checkout/{contribution_id}"' in waiting.text
    await postgres.transact(lambda connection: settle(connection, UUID(contribution_id)))
    assert "$10 finished the goal, $6 bought 60 credits. Lab is on air." in (await visitor.get(path)).text


async def test_a_double_click_is_one_contribution_and_one_checkout(visitor: httpx2.AsyncClient, rows: Rows) -> None:
    fields = fields_of(await review(visitor))
    first, second = await pay(visitor, fields), await pay(visitor, fields)
    assert first.headers["location"] == second.headers["location"]
    assert await count(rows) == 1


async def test_looking_at_the_quote_again_is_a_contribution_of_its_own(visitor: httpx2.AsyncClient, rows: Rows) -> None:
    for _ in range(2):
        await pay(visitor, fields_of(await review(visitor)))
    assert await count(rows) == 2


async def test_what_went_back_later_is_told_beside_what_it_became(
    visitor: httpx2.AsyncClient, postgres: Postgres
) -> None:
    location = (await pay(visitor, fields_of(await review(visitor)))).headers["location"]
    contribution_id = UUID(location.removeprefix("/checkout/"))
    await postgres.transact(lambda connection: settle(connection, contribution_id))
    await postgres.transact(
        lambda connection: reverse_contribution(
            connection, contribution_id, reference="refund", amount_cents=1_100, reason="asked for it"
        )
    )
    page = (await visitor.get(f"/contributions/{contribution_id}")).text
    assert "$10 finished the goal, $6 bought 60 credits." in page
    assert "$11 of it went back later." in page


async def test_a_rest_that_is_less_than_the_least_is_offered_with_what_it_takes(
    visitor: httpx2.AsyncClient, rows: Rows
) -> None:
    await rows.postgres.pool.execute("UPDATE channel SET activation_funding_cents = activation_goal_cents - 50")
    form = fields_of(await visitor.get(FORM))
    assert form["preset"] == "100"
    assert "$0.50 finishes the goal, $0.50 buys 5 credits." in (await review(visitor, **form)).text


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"amount": "5,50"}, "Write an amount in dollars"),
        ({"amount": "0.99"}, "at least $1 and at most $1,000"),
        ({"amount": "1000.01"}, "at least $1 and at most $1,000"),
        ({"amount": "", "preset": "-5"}, "Choose an amount"),
        ({"amount": ""}, "Choose an amount"),
        ({"displayName": "x" * 41}, "at most 40 characters"),
        ({"displayName": "a\u202eb"}, "control characters"),
        ({"amount": "1e3"}, "Write an amount in dollars"),
        ({"amount": "-5"}, "Write an amount in dollars"),
        ({"amount": "\u0661\u0660"}, "Write an amount in dollars"),
        ({"amount": "0"}, "at least $1 and at most $1,000"),
        ({"amount": "999999999"}, "at least $1 and at most $1,000"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field_with_what_was_typed(
    visitor: httpx2.AsyncClient, query: dict[str, str], error: str
) -> None:
    answer = await review(visitor, **{"displayName": "Mara"} | query)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    wrong = "displayName" if "displayName" in query else "amount"
    label = rf'<label for="{wrong}">[^<]*</label>\s*<p class="error" id="{wrong}-error">[^<]*{re.escape(error)}'
    assert re.search(label, answer.text)
    assert f'autofocus aria-invalid="true" aria-describedby="{wrong}-error' in answer.text
    assert answer.text.count("autofocus") == 1
    typed = {"amount": "16", "displayName": "Mara"} | query
    assert {name: fields_of(answer)[name] for name in ("amount", "displayName")} == {
        name: typed[name] for name in ("amount", "displayName")
    }


async def test_what_was_typed_is_shown_as_text(visitor: httpx2.AsyncClient) -> None:
    evil = '"><script>alert(1)</script>'
    for answer in (await review(visitor, amount=evil), await review(visitor, displayName=evil)):
        assert "<script>alert" not in answer.text


async def test_without_an_own_origin_nothing_is_made(visitor: httpx2.AsyncClient, rows: Rows) -> None:
    fields = fields_of(await review(visitor))
    for origin in ("null", "http://evil.test"):
        visitor.headers["origin"] = origin
        assert (await pay(visitor, fields)).status_code == 403
    del visitor.headers["origin"]
    assert (await pay(visitor, fields)).status_code == 403
    assert await count(rows) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"idempotencyKey": ""},
        {"idempotencyKey": "short"},
        {"rate": ""},
        {"rate": "-1"},
        {"rate": "1234567"},
        {"type": "GIFT"},
        {"cents": "1e3"},
        {"cents": "99"},
    ],
)
async def test_a_form_that_is_not_ours_makes_nothing(
    visitor: httpx2.AsyncClient, rows: Rows, change: dict[str, str]
) -> None:
    answer = await pay(visitor, fields_of(await review(visitor)) | change)
    assert answer.status_code == 400
    assert await count(rows) == 0


async def test_json_is_no_form(visitor: httpx2.AsyncClient, rows: Rows) -> None:
    fields = fields_of(await review(visitor))
    assert (await visitor.post(FORM, json=fields)).status_code == 400
    assert await count(rows) == 0


async def test_a_rate_that_changed_is_shown_before_paying(site: Site, visitor: httpx2.AsyncClient, rows: Rows) -> None:
    fields = fields_of(await review(visitor)) | {"rate": "11"}
    answer = await pay(visitor, fields)
    assert answer.status_code == 409
    assert "not what you were told" in answer.text
    again = fields_of(answer)
    assert (again["rate"], again["idempotencyKey"] == fields["idempotencyKey"]) == ("10", False)
    assert await count(rows) == 0
    assert (await pay(visitor, again)).status_code == 303


async def test_when_the_provider_fails_the_page_tries_again_with_the_same_contribution(
    site: Site, visitor: httpx2.AsyncClient, rows: Rows
) -> None:
    provider = site.provider
    assert isinstance(provider, PaperProvider)
    provider.failures.append(Refusal(Code.PROVIDER_ERROR, "The provider failed."))
    fields = fields_of(await review(visitor))
    answer = await pay(visitor, fields)
    assert answer.status_code == 502
    assert "Nothing was charged. Try again." in answer.text
    assert fields_of(answer) == fields
    assert (await pay(visitor, fields_of(answer))).status_code == 303
    assert await count(rows) == 1


async def test_a_goal_that_was_reached_meanwhile_is_told(visitor: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.postgres.pool.execute("UPDATE channel SET status = 'ACTIVE', activated_at = clock_timestamp()")
    answer = await review(visitor)
    assert answer.status_code == 200
    assert "The goal was reached meanwhile, so all of it buys credits." in answer.text


async def test_a_paused_channel_is_closed(visitor: httpx2.AsyncClient, rows: Rows) -> None:
    fields = fields_of(await review(visitor))
    await rows.postgres.pool.execute("UPDATE channel SET status = 'INACTIVE', activated_at = clock_timestamp()")
    assert "closed while the channel is paused" in (await visitor.get(FORM)).text
    assert (await review(visitor)).status_code == 400
    assert (await pay(visitor, fields)).status_code == 409
    assert await count(rows) == 0


async def test_both_types_can_be_chosen_where_the_setting_allows_it(site: Site, rows: Rows) -> None:
    await rows.channel("lab")
    site.settings = Settings(credits_allow_on_pending=True)
    async with site.client() as client:
        page = await client.get(f"{FORM}?type=CREDIT_PURCHASE")
        assert page.text.count('name="type"') == 2
        assert fields_of(page)["type"] == "CREDIT_PURCHASE"


async def test_without_a_provider_the_pages_say_that_it_is_closed(site: Site, rows: Rows) -> None:
    await rows.channel("lab")
    await rows.active_channel("sea")
    site.provider = None
    async with site.client() as client:
        assert "No payment provider" in (await client.get(FORM)).text
        assert "no payment provider" in (await client.get("/c/lab")).text
        assert "Buy credits" not in (await client.get("/c/sea")).text


async def test_the_channel_page_leads_to_it(visitor: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.active_channel("sea")
    assert f'action="{REVIEW}"' in (await visitor.get("/c/lab")).text
    assert 'href="/c/sea/contribute">Buy credits' in (await visitor.get("/c/sea")).text


async def test_a_checkout_on_another_site_is_reached_over_a_page_of_ours(
    site: Site, visitor: httpx2.AsyncClient, postgres: Postgres
) -> None:
    location = (await pay(visitor, fields_of(await review(visitor)))).headers["location"]
    contribution_id = location.rpartition("/")[2]
    url = "https://pay.example/c?a=1&b=2"
    await postgres.pool.execute("UPDATE contribution SET checkout_url = $1", url)
    page = await visitor.get(f"/contributions/{contribution_id}?continue=1")
    assert '<meta http-equiv="refresh" content="0; url=https://pay.example/c?a=1&amp;b=2">' in page.text
    assert "http-equiv" not in (await visitor.get(f"/contributions/{contribution_id}")).text


async def test_a_provider_on_another_site_is_not_redirected_to_from_a_form(
    site: Site, visitor: httpx2.AsyncClient
) -> None:
    provider = site.provider
    assert isinstance(provider, PaperProvider)
    provider.site_url = "https://pay.example"
    location = (await pay(visitor, fields_of(await review(visitor)))).headers["location"]
    assert re.fullmatch(r"/contributions/[0-9a-f-]{36}\?continue=1", location)


@pytest.mark.parametrize(
    ("status", "text"),
    [("FAILED", "The payment did not go through"), ("EXPIRED", "The checkout is over"), ("CREATED", "was not reached")],
)
async def test_what_was_not_paid_can_be_tried_again(
    visitor: httpx2.AsyncClient, postgres: Postgres, status: str, text: str
) -> None:
    location = (await pay(visitor, fields_of(await review(visitor)))).headers["location"]
    await postgres.pool.execute("UPDATE contribution SET status = $1", status)
    page = (await visitor.get(location.replace("/checkout/", "/contributions/"))).text
    assert text in page
    assert "Nothing was charged" in page
    [again] = re.findall(r'href="([^"]*)">Try again', page)
    assert fields_of(await visitor.get(again.replace("&amp;", "&")))["amount"] == "16"


async def test_somebody_elses_contribution_looks_as_if_there_were_none(
    site: Site, visitor: httpx2.AsyncClient, rows: Rows
) -> None:
    location = (await pay(visitor, fields_of(await review(visitor)))).headers["location"]
    foreign = location.replace("/checkout/", "/contributions/")
    async with site.client() as stranger:
        pages = [await stranger.get(path) for path in (foreign, f"/contributions/{ABSENT_ID}", "/contributions/1")]
    assert [page.status_code for page in pages] == [404, 404, 404]
    assert all("No contribution here." in page.text for page in pages)


async def test_a_signed_in_giver_is_called_by_their_own_name(visitor: httpx2.AsyncClient, rows: Rows) -> None:
    user_id = await rows.user("mara_k")
    await rows.postgres.pool.execute("UPDATE session SET user_id = $1", user_id)
    page = await visitor.get(FORM)
    assert "You appear as <b>mara_k</b>" in page.text
    assert "displayName" not in fields_of(page)
