"""Pages, and the visitor's session that opening one begins."""

import html
import re
from datetime import timedelta
from html.parser import HTMLParser

import httpx2
import pytest

from server.api.deps import ModelState, ModelStatus
from server.channels.contributors import CONTRIBUTORS_SHOWN_MAX
from server.storage.postgres import Postgres
from tests.api.site import Site
from tests.support.ids import ABSENT_ID
from tests.support.rows import Rows


async def sessions_made(postgres: Postgres) -> int:
    return int(await postgres.pool.fetchval("SELECT count(*) FROM session"))


@pytest.mark.parametrize("path", ["/", "/c/deep-sea-lab"])
async def test_opening_a_page_begins_one_visitors_session(
    client: httpx2.AsyncClient, rows: Rows, postgres: Postgres, path: str
) -> None:
    await rows.active_channel()
    first, second = await client.get(path), await client.get(path)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert first.headers["set-cookie"].endswith("; HttpOnly; Max-Age=2500; Path=/; SameSite=lax")
    assert "set-cookie" not in second.headers
    assert await sessions_made(postgres) == 1


async def test_the_cookie_opens_the_api(client: httpx2.AsyncClient) -> None:
    await client.get("/")
    assert (await client.get("/api/chats")).json()["items"] == []


async def test_an_expired_session_is_followed_by_a_new_visitor(client: httpx2.AsyncClient, rows: Rows) -> None:
    before = (await client.get("/")).cookies["tallylight_session"]
    await rows.age_sessions(timedelta(seconds=1_001))
    after = (await client.get("/")).cookies["tallylight_session"]
    assert before != after


async def test_a_forged_cookie_is_followed_by_a_new_visitor(client: httpx2.AsyncClient) -> None:
    client.cookies.set("tallylight_session", "A" * 43)
    assert "set-cookie" in (await client.get("/")).headers


@pytest.mark.parametrize(
    ("url", "name", "secure"),
    [
        ("http://localhost:8420", "tallylight_session", False),
        ("http://[::1]:8420", "tallylight_session", False),
        ("https://chat.example", "__Host-tallylight_session", True),
        ("http://chat.example", "__Host-tallylight_session", True),
    ],
)
async def test_the_cookies_name_follows_the_public_address(
    postgres: Postgres, url: str, name: str, *, secure: bool
) -> None:
    async with Site(postgres, public_urls=(url,)).client() as browser:
        cookie = (await browser.get("/")).headers["set-cookie"]
    assert cookie.startswith(f"{name}=")
    assert ("; Secure" in cookie) is secure


async def test_a_host_header_does_not_choose_the_cookie(postgres: Postgres) -> None:
    async with Site(postgres, public_urls=("https://chat.example",)).client() as browser:
        cookie = (await browser.get("/", headers={"host": "localhost"})).headers["set-cookie"]
    assert cookie.startswith("__Host-tallylight_session=")


@pytest.mark.parametrize("path", ["/api/channels", "/healthz", "/absent", "/static/absent.js", "/c/absent"])
async def test_what_is_no_page_begins_no_session(client: httpx2.AsyncClient, postgres: Postgres, path: str) -> None:
    assert "set-cookie" not in (await client.get(path)).headers
    assert await sessions_made(postgres) == 0


async def test_head_begins_no_session(client: httpx2.AsyncClient, postgres: Postgres) -> None:
    assert (await client.head("/")).status_code == 200
    assert await sessions_made(postgres) == 0


async def test_the_page_of_a_channel_shows_its_facts(client: httpx2.AsyncClient, site: Site, rows: Rows) -> None:
    channel_id = await rows.channel(
        "deep-sea-lab", title="Deep <Sea> & Lab", knowledge="QUESTIONS FANS ASK\nWho is Dr Button?"
    )
    await rows.transaction(channel_id, await rows.session(), cents=500, display_name="<b>Tide Pool</b>")
    await rows.postgres.pool.execute(
        "UPDATE channel SET status = 'ACTIVE', activated_at = clock_timestamp(), activation_funding_cents = 1000,"
        " credit_balance = 37"
    )
    site.model = ModelStatus("smollm2-135m", ModelState.READY, demo=True)
    page = (await client.get("/c/Deep-Sea-Lab")).text
    for text in ("Deep &lt;Sea&gt; &amp; Lab", "Who is Dr Button?", "&lt;b&gt;Tide Pool&lt;/b&gt;", "37"):
        assert text in page
    assert "<b>Tide Pool</b>" not in page
    assert "<Sea>" not in page


async def test_everybody_who_paid_for_the_activation_counts_listed_or_not(
    client: httpx2.AsyncClient, rows: Rows
) -> None:
    channel_id = await rows.channel("lab")
    for _ in range(CONTRIBUTORS_SHOWN_MAX + 2):
        await rows.transaction(channel_id, await rows.session(), cents=10)
    await rows.postgres.pool.execute("UPDATE channel SET activation_funding_cents = 220")
    assert f"{CONTRIBUTORS_SHOWN_MAX + 2} fans so far." in (await client.get("/c/lab")).text
    await rows.postgres.pool.execute(
        "UPDATE channel SET status = 'ACTIVE', activated_at = clock_timestamp(), activation_funding_cents = 1000"
    )
    assert f"Paid for by {CONTRIBUTORS_SHOWN_MAX + 2} fans" in (await client.get("/c/lab")).text


async def test_a_demo_model_is_named_as_one(client: httpx2.AsyncClient, site: Site, rows: Rows) -> None:
    site.model = ModelStatus("smollm2-135m", ModelState.READY, demo=True)
    await rows.active_channel("lab")
    page = (await client.get("/c/lab")).text
    assert "Answers come from a demo model, smollm2-135m. It invents facts." in page


@pytest.mark.parametrize("state", list(ModelState))
@pytest.mark.parametrize("status", ["PENDING", "ACTIVE", "INACTIVE"])
async def test_every_state_of_a_channel_has_its_page(
    client: httpx2.AsyncClient, site: Site, rows: Rows, state: ModelState, status: str
) -> None:
    site.model = ModelStatus("model", state, demo=False)
    await rows.channel("lab")
    await rows.postgres.pool.execute(
        "UPDATE channel SET status = $1, activated_at = CASE WHEN $1 = 'PENDING' THEN NULL ELSE clock_timestamp() END",
        status,
    )
    for path in ("/", "/c/lab"):
        assert (await client.get(path)).status_code == 200


async def test_the_list_takes_filters_and_passes_over_what_links_add(client: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.channel("deep-sea-lab")
    await rows.channel("night-kitchen")
    page = (await client.get("/?q=kitchen&utm_source=mail&utm_source=again")).text
    assert "Night Kitchen" in page
    assert "Deep Sea Lab" not in page


async def test_the_pager_keeps_the_filters_and_the_order(client: httpx2.AsyncClient, rows: Rows) -> None:
    for number in range(3):
        await rows.channel(f"a-lab-{number}", title=f"A&B lab {number}")
    await rows.channel("kitchen")
    address, shown = "/?q=A%26B+lab&status=PENDING&sort=-title&limit=1", []
    for way in ("next", "next", "prev"):
        page = (await client.get(address)).text
        shown.append(page.partition("A&amp;B lab ")[2][:1])
        link = re.search(f'href="([^"]+)" rel="{way}"', page)
        assert link is not None
        address = "/" + html.unescape(link[1])
    shown.append((await client.get(address)).text.partition("A&amp;B lab ")[2][:1])
    assert shown == ["2", "1", "0", "1"]


@pytest.mark.parametrize(("path", "status"), [("/c/absent", 404), ("/absent", 404), ("/?limit=0", 400)])
async def test_a_page_that_fails_is_a_page(client: httpx2.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(path, headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("path", "title"),
    [("/c/absent", "No channel here."), ("/absent", "Nothing here."), (f"/checkout/{ABSENT_ID}", "Nothing here.")],
)
async def test_what_is_not_there_is_not_called_a_channel(client: httpx2.AsyncClient, path: str, title: str) -> None:
    page = (await client.get(path)).text
    assert f"<h1>{title}</h1>" in page
    assert "Not signed in" in page


async def test_a_program_that_wants_json_gets_a_problem_for_a_page(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/c/absent", headers={"accept": "application/json"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_found"


class Loads(HTMLParser):
    """What a page loads from this server, and what its own policy would block."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.blocked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given):
            self.blocked.append(tag)
        self.blocked += [name for name in given if name == "style" or name.startswith("on")]
        address = given.get("src") or (given.get("href") if tag == "link" else None)
        if address is not None:
            self.addresses.add(address)


@pytest.mark.parametrize(
    "path", ["/", "/c/night-kitchen", "/c/deep-sea-lab", "/absent", "/api/docs", "/api/docs/websocket"]
)
async def test_what_a_page_loads_is_there_and_allowed(client: httpx2.AsyncClient, rows: Rows, path: str) -> None:
    await rows.channel("night-kitchen")
    await rows.active_channel("deep-sea-lab")
    loads = Loads()
    loads.feed((await client.get(path, headers={"accept": "text/html"})).text)
    assert loads.blocked == []
    assert loads.addresses
    for address in loads.addresses:
        assert address.startswith("/static/")
        assert (await client.get(address)).status_code == 200, address
