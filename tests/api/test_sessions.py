"""One's own sessions over HTTP: listed, ended, left."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from server.auth.api_keys import ApiKeys
from server.auth.sessions import SIGN_IN_SECONDS, Sessions
from server.storage.postgres import Postgres
from tests.api.site import LIMITS, Site
from tests.support.ids import ABSENT_ID
from tests.support.people import Person, sign_in_again, signed_in
from tests.support.rows import Rows

LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
COOKIE = "tallylight_session"


def browser_of(site: Site, person: Person) -> httpx2.AsyncClient:
    browser = site.client()
    browser.cookies.update(person.cookies)
    browser.headers["origin"] = site.public_urls[0]
    return browser


async def listed(browser: httpx2.AsyncClient) -> list[dict[str, Any]]:
    answer = await browser.get("/api/me/sessions")
    assert answer.status_code == 200
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_a_visitor_has_this_session_alone(client: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.session()
    await client.get("/", headers={"user-agent": LINUX})
    (one,) = await listed(client)
    assert (one["device"], one["current"], one["signedInAt"]) == ("Chrome on Linux", True, None)


async def test_a_user_has_one_for_each_browser_the_one_used_last_first(site: Site, postgres: Postgres) -> None:
    home = await signed_in(postgres, "mara_k")
    away = await sign_in_again(postgres, home.user_id, "mara_k")
    await signed_in(postgres, "jonas")
    async with browser_of(site, home) as browser:
        items = await listed(browser)
        pages = [(await browser.get("/api/me/sessions?limit=1")).json()]
        pages.append((await browser.get(f"/api/me/sessions?limit=1&cursor={pages[0]['nextCursor']}")).json())
    assert [(one["id"], one["current"]) for one in items] == [
        (str(away.session_id), False),
        (str(home.session_id), True),
    ]
    assert all(one["signedInAt"] for one in items)
    assert [page["items"][0] for page in pages] == items


async def test_an_ended_session_is_not_listed_and_its_cookie_is_nobody(site: Site, postgres: Postgres) -> None:
    home = await signed_in(postgres, "mara_k")
    away = await sign_in_again(postgres, home.user_id, "mara_k")
    async with browser_of(site, home) as browser, browser_of(site, away) as other:
        for _ in range(2):  # once is as good as twice
            assert (await browser.delete(f"/api/me/sessions/{away.session_id}")).status_code == 204
        assert len(await listed(browser)) == 1
        refused = await other.get("/api/me/sessions")
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


async def test_ending_all_others_leaves_this_one(site: Site, postgres: Postgres) -> None:
    home = await signed_in(postgres, "mara_k")
    others = [await sign_in_again(postgres, home.user_id, "mara_k") for _ in range(2)]
    stranger = await signed_in(postgres, "jonas")
    async with browser_of(site, home) as browser:
        assert (await browser.delete("/api/me/sessions")).json() == {"ended": 2}
        assert (await browser.delete("/api/me/sessions")).json() == {"ended": 0}
        assert len(await listed(browser)) == 1
    for person, status in ((others[0], 401), (others[1], 401), (stranger, 200)):
        async with browser_of(site, person) as browser:
            assert (await browser.get("/api/me/sessions")).status_code == status


@pytest.mark.parametrize("path", [f"/api/me/sessions/{ABSENT_ID}", "/api/me/sessions/x"])
async def test_a_session_that_is_not_there_is_not_found(site: Site, postgres: Postgres, path: str) -> None:
    async with browser_of(site, await signed_in(postgres, "mara_k")) as browser:
        assert (await browser.delete(path)).status_code == 404


async def test_nobody_ends_the_session_of_somebody_else(site: Site, postgres: Postgres) -> None:
    mara, jonas = await signed_in(postgres, "mara_k"), await signed_in(postgres, "jonas")
    visitor = await Rows(postgres).session()
    async with browser_of(site, jonas) as browser, site.client() as stranger:
        for session_id in (mara.session_id, visitor.session_id):
            assert (await browser.delete(f"/api/me/sessions/{session_id}")).status_code == 404
        await stranger.get("/")
        stranger.headers["origin"] = site.public_urls[0]
        assert (await stranger.delete(f"/api/me/sessions/{mara.session_id}")).status_code == 404
        assert (await stranger.delete("/api/me/sessions")).json() == {"ended": 0}
    async with browser_of(site, mara) as browser:
        assert len(await listed(browser)) == 1


async def test_the_page_ends_sessions_by_its_forms(site: Site, postgres: Postgres) -> None:
    home = await signed_in(postgres, "mara_k")
    away = await sign_in_again(postgres, home.user_id, "mara_k")
    await sign_in_again(postgres, home.user_id, "mara_k")
    async with browser_of(site, home) as browser:
        page = await browser.get("/me/sessions")
        assert page.text.count('action="/me/sessions"') == 4
        one = await browser.post("/me/sessions", data={"end": str(away.session_id)})
        assert (one.status_code, one.headers["location"]) == (303, "/me/sessions")
        assert len(await listed(browser)) == 2
        await browser.post("/me/sessions", data={"end": "others"})
        assert len(await listed(browser)) == 1
        assert "Sign out everywhere else" not in (await browser.get("/me/sessions")).text


async def test_ending_ones_own_session_on_the_page_begins_a_visitors(site: Site, postgres: Postgres) -> None:
    person = await signed_in(postgres, "mara_k")
    async with browser_of(site, person) as browser:
        answer = await browser.post("/me/sessions", data={"end": str(person.session_id)})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        browser.cookies.clear()
        browser.cookies.update(answer.cookies)
        assert "Not signed in" in (await browser.get("/")).text


@pytest.mark.parametrize("username", ["mara_k", None])
async def test_signing_out_ends_the_session_and_begins_a_visitors(
    site: Site, postgres: Postgres, username: str | None
) -> None:
    async with site.client() as browser:
        await browser.get("/")
        old = (await signed_in(postgres, username)).token if username else browser.cookies[COOKIE]
        browser.cookies.clear()
        browser.cookies[COOKIE] = old
        answer = await browser.post("/signout", headers={"origin": site.public_urls[0]})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert f"Max-Age={LIMITS.absolute_seconds}" in answer.headers["set-cookie"]
        new = answer.cookies[COOKIE]
        for token, status in ((old, 401), (new, 200)):
            browser.cookies.clear()
            browser.cookies[COOKIE] = token
            assert (await browser.get("/api/chats")).status_code == status


async def test_who_has_signed_out_already_signs_out_again_all_the_same(site: Site) -> None:
    async with site.client() as browser:
        answer = await browser.post("/signout", headers={"origin": site.public_urls[0]})
        assert (answer.status_code, COOKIE in answer.cookies) == (303, True)


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_no_other_site_signs_anybody_out(site: Site, postgres: Postgres, origin: str) -> None:
    person = await signed_in(postgres, "mara_k")
    async with browser_of(site, person) as browser:
        assert (await browser.post("/signout", headers={"origin": origin})).status_code == 403
        assert len(await listed(browser)) == 1


async def test_a_page_that_a_sign_in_overtook_does_not_replace_the_new_cookie(site: Site, postgres: Postgres) -> None:
    async with site.client() as browser:
        await browser.get("/")
        visitor = await Sessions(postgres, LIMITS).find(browser.cookies[COOKIE])
        await signed_in(postgres, "mara_k", visitor=visitor)
        late = await browser.get("/")
        assert (late.status_code, "set-cookie" in late.headers) == (200, False)
        await postgres.pool.execute(
            "UPDATE session SET signed_in_at = signed_in_at - $1::interval", timedelta(seconds=SIGN_IN_SECONDS)
        )
        assert "set-cookie" in (await browser.get("/")).headers


async def test_a_program_has_no_sessions(site: Site, postgres: Postgres) -> None:
    _, secret = await ApiKeys(postgres).create("a bot")
    async with site.client() as program:
        program.headers["authorization"] = f"Bearer {secret}"
        for method, path in (("GET", "/api/me/sessions"), ("DELETE", "/api/me/sessions"), ("POST", "/signout")):
            assert (await program.request(method, path)).status_code == 403
