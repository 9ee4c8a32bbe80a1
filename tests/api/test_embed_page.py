"""The page for frames: who may show it, and what it leaves out."""

import httpx2
import pytest

from server.api.security_headers import HEADERS, POLICY, content_security_policy
from server.channels.embedding import Embedding
from server.storage.postgres import Postgres
from tests.api.site import Site
from tests.support.rows import Rows

FANS = ["https://fans.example", "http://localhost:3000"]


@pytest.fixture
async def lab(postgres: Postgres, rows: Rows) -> None:
    await Embedding(postgres).allow(await rows.active_channel("lab"), FANS, by_user_id=None)
    await rows.active_channel("kitchen")


@pytest.mark.usefixtures("lab")
async def test_exactly_the_origins_of_the_channel_may_show_it(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/embed/LAB")
    assert answer.status_code == 200
    assert answer.headers[POLICY] == content_security_policy(FANS)
    assert "; frame-ancestors https://fans.example http://localhost:3000; " in answer.headers[POLICY]
    assert "x-frame-options" not in answer.headers
    others = {name: value for name, value in HEADERS.items() if name != POLICY}
    assert {name: answer.headers[name] for name in others} == others


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("path", ["/embed/kitchen", "/embed/absent", "/c/lab", "/signin", "/c/lab/contribute", "/"])
async def test_nobody_may_show_anything_else(client: httpx2.AsyncClient, path: str) -> None:
    policy = (await client.get(path)).headers[POLICY]
    assert policy == HEADERS[POLICY]
    assert "frame-ancestors 'none'" in policy


@pytest.mark.usefixtures("lab")
async def test_it_sets_no_cookie_and_looks_at_none(client: httpx2.AsyncClient, postgres: Postgres) -> None:
    first = await client.get("/embed/lab")
    assert "set-cookie" not in first.headers
    assert await postgres.pool.fetchval("SELECT count(*) FROM session") == 0
    await client.get("/")
    assert len(client.cookies) == 1
    again = await client.get("/embed/lab")
    assert "set-cookie" not in again.headers
    assert again.text == first.text


@pytest.mark.usefixtures("lab")
async def test_it_leads_to_the_site_in_a_window_of_its_own(client: httpx2.AsyncClient) -> None:
    page = (await client.get("/embed/lab", headers={"host": "evil.example"})).text
    assert '<a href="/c/lab" target="_blank" rel="noopener">Open on 127.0.0.1:8420</a>' in page
    assert "evil.example" not in page


async def test_a_channel_that_is_off_air_has_no_chat(client: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.channel("lab")
    page = (await client.get("/embed/lab")).text
    assert "is off air" in page
    assert "<channel-chat" not in page


async def test_it_names_only_what_is_in_the_list_now(site: Site, postgres: Postgres, rows: Rows) -> None:
    lab = await rows.active_channel("lab")
    async with site.client() as browser:
        await Embedding(postgres).allow(lab, FANS, by_user_id=None)
        assert FANS[0] in (await browser.get("/embed/lab")).headers[POLICY]
        await Embedding(postgres).allow(lab, [], by_user_id=None)
        assert (await browser.get("/embed/lab")).headers[POLICY] == HEADERS[POLICY]
