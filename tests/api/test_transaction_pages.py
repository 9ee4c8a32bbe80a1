"""The pages of money, as somebody without scripts goes through them: filters that are wrong, and old links."""

import html

import httpx2
import pytest

from server.storage.postgres import Postgres
from tests.api.test_transactions import visitor
from tests.support.rows import Rows

PAGES = ("/c/deep-sea-lab/transactions", "/me")


@pytest.fixture
async def giver(client: httpx2.AsyncClient, postgres: Postgres, rows: Rows) -> httpx2.AsyncClient:
    """The browser of somebody who has given twice."""
    identity = await visitor(client, postgres)
    channel_id = await rows.channel()
    for _ in range(2):
        await rows.transaction(channel_id, identity, cents=700, credits_=70)
    return client


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("from=2026-12-02&to=2026-12-01", "to", "The range of days ends before it begins."),
        ("from=2026-13-01", "from", "Write a day as 2026-11-28."),
        ("to=1.12.2026", "to", "Write a day as 2026-11-28."),
        ("type=GIFT", "type", "Choose one of these."),
        ("type=null", "type", "Choose one of these."),
        ("sort=name", "sort", "Choose one of these."),
    ],
)
async def test_a_wrong_filter_is_shown_again_and_what_is_wrong_stands_beside_it(
    giver: httpx2.AsyncClient, path: str, query: str, field: str, told: str
) -> None:
    answer = await giver.get(f"{path}?{query}")
    page = html.unescape(answer.text)
    assert answer.status_code == 400
    assert f'<small class="error" id="{field}-error">{told}</small>' in page
    assert f'name="{field}" aria-invalid="true" aria-describedby="{field}-error"' in page
    days = dict(part.split("=") for part in query.split("&") if not part.startswith(("type", "sort")))
    for name, typed in days.items():
        assert f'value="{typed}"' in page, name
    assert "$7" not in page.partition('class="filters"')[2]  # nothing that the filters have not chosen
    assert ".csv" not in page


@pytest.mark.parametrize("name", ["absent", "x" * 65])
async def test_a_channel_that_is_none_stands_in_the_filter_with_what_is_wrong(
    giver: httpx2.AsyncClient, name: str
) -> None:
    answer = await giver.get(f"/me?channel={name}&type=ACTIVATION")
    page = html.unescape(answer.text)
    assert answer.status_code == 400
    assert '<small class="error" id="channel-error">There is no such channel.</small>' in page
    assert f'value="{name}"' in page
    assert '<option value="ACTIVATION" selected>' in page
    assert "Channels you support" in page


async def test_who_has_nothing_and_asks_wrongly_still_has_a_page(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/me?channel=absent")
    assert answer.status_code == 400
    assert "Nothing yet" in answer.text


@pytest.mark.parametrize("path", PAGES)
async def test_a_place_that_is_not_of_this_list_leads_to_its_beginning(giver: httpx2.AsyncClient, path: str) -> None:
    begin = f"{path}?type=CREDIT_PURCHASE&sort=amount&limit=1"
    following = (await giver.get(begin)).text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    old = html.unescape(following).removesuffix("#list").replace("sort=amount", "sort=-amount")
    answer = await giver.get(f"{path}{old}")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{path}?type=CREDIT_PURCHASE&sort=-amount&limit=1"


async def test_an_old_place_in_the_list_of_channels_leads_to_its_beginning(giver: httpx2.AsyncClient) -> None:
    answer = await giver.get("/me?channelsCursor=old&channel=deep-sea-lab")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/me?sort=-createdAt&channel=deep-sea-lab&limit=50",
    )
