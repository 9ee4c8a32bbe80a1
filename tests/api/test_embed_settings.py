"""Admins say whose pages may show a channel's chat, over REST and on a page."""

from html import unescape

import httpx2
import pytest

from server.api.embed_settings import snippet_of
from server.domain.embed_origins import EMBED_ORIGINS_MAX
from server.domain.users import UserRole
from server.storage.postgres import Postgres
from tests.api.site import Site
from tests.support.people import signed_in
from tests.support.rows import Rows

OWN = {"origin": "http://127.0.0.1:8420", "accept": "application/json"}
FANS = "https://fans.example"
REST, PAGE = "/api/admin/channels/lab/embed", "/admin/channels/lab/embed"


@pytest.fixture
async def admin(client: httpx2.AsyncClient, postgres: Postgres, rows: Rows) -> httpx2.AsyncClient:
    await rows.channel("lab", title='Tom & "Jerry"')
    client.cookies.update((await signed_in(postgres, "boss", UserRole.ADMIN)).cookies)
    client.headers.update(OWN)
    return client


async def test_an_admin_lists_origins_and_gets_what_to_paste(admin: httpx2.AsyncClient) -> None:
    assert (await admin.get(REST)).json()["origins"] == []
    answer = await admin.put(REST, json={"origins": ["HTTPS://Fans.Example/"]})
    assert answer.status_code == 200
    assert answer.json() == (await admin.get(REST)).json()
    embed = answer.json()
    assert (embed["channel"], embed["origins"]) == ("lab", [FANS])
    assert embed["address"] == "http://127.0.0.1:8420/embed/lab"
    assert embed["snippet"] == snippet_of(embed["address"], 'Tom & "Jerry"')
    assert 'title="Chat with Tom &amp; &quot;Jerry&quot;"' in embed["snippet"]


async def test_the_address_is_one_of_ours_whatever_the_host_header_says(admin: httpx2.AsyncClient) -> None:
    answer = await admin.get(REST, headers={"host": "evil.example"})
    assert answer.json()["address"] == "http://127.0.0.1:8420/embed/lab"


async def test_the_address_is_the_one_that_was_asked(postgres: Postgres, admin: httpx2.AsyncClient) -> None:
    urls = ("http://127.0.0.1:8420", "http://localhost:8420")
    async with Site(postgres, public_urls=urls).client() as browser:
        browser.cookies.update(admin.cookies)
        answer = await browser.get(REST, headers={"host": "localhost:8420"})
    assert answer.json()["address"] == "http://localhost:8420/embed/lab"


@pytest.mark.parametrize(
    "origins", [["https://*.example"], ["http://fans.example"], ["https://fans.example/x"], [""], "x", None, [5]]
)
async def test_what_is_no_list_of_origins_is_refused(admin: httpx2.AsyncClient, origins: object) -> None:
    await admin.put(REST, json={"origins": [FANS]})
    answer = await admin.put(REST, json={"origins": origins})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert (await admin.get(REST)).json()["origins"] == [FANS]


async def test_twenty_are_taken_and_one_more_is_not(admin: httpx2.AsyncClient) -> None:
    origins = [f"https://fans{number}.example" for number in range(EMBED_ORIGINS_MAX)]
    assert (await admin.put(REST, json={"origins": origins})).json()["origins"] == origins
    answer = await admin.put(REST, json={"origins": [*origins, FANS]})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_channel_that_is_not_there(admin: httpx2.AsyncClient, method: str) -> None:
    answer = await admin.request(method, "/api/admin/channels/absent/embed", json={"origins": []})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_page_works_without_a_script(admin: httpx2.AsyncClient) -> None:
    assert "No site may show it so far." in (await admin.get(PAGE)).text
    saved = await admin.post(PAGE, data={"origins": f" {FANS}\r\nhttp://localhost:3000 "})
    assert (saved.status_code, saved.headers["location"]) == (303, PAGE)
    page = unescape((await admin.get(PAGE)).text)
    assert f"{FANS}\nhttp://localhost:3000</textarea>" in page
    assert (await admin.get(REST)).json()["snippet"] in page


async def test_the_page_shows_what_was_typed_wrongly(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post(PAGE, data={"origins": "https://*.example"})
    assert answer.status_code == 400
    assert "https://*.example</textarea>" in answer.text
    assert "is no origin such as https://fans.example" in unescape(answer.text)
    assert (await admin.get(REST)).json()["origins"] == []
