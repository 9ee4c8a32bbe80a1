"""Whose a page is: said by its bar and by error pages, asked again by open pages, and held to by its forms."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from uuid import uuid4

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.api.session_status import DIGEST_CHARACTERS, NOBODY, status_of
from server.auth.sessions import Sessions
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.users import UserRole
from server.embedded.postgres import EmbeddedPostgres
from server.storage.postgres import Postgres
from tests.api.site import LIMITS, Site
from tests.api.test_sessions import browser_of
from tests.support.ids import ABSENT_ID
from tests.support.people import Person, signed_in
from tests.support.rows import Rows

PAGE = {"accept": "text/html"}
FORM = "application/x-www-form-urlencoded"
NOT_SIGNED_IN = "<b>Not signed in.</b>"


async def refuse(request: Request) -> Response:
    raise Refusal(Code(request.path_params["code"]), "Because.")


@pytest.fixture
async def mara(postgres: Postgres) -> Person:
    return await signed_in(postgres, "mara_k")


@pytest.fixture
async def browser(site: Site, mara: Person) -> AsyncIterator[httpx2.AsyncClient]:
    """Mara's, with an address at which everything is refused."""
    async with site.client(Route("/refused/{code}", refuse)) as made:
        made.cookies.update(mara.cookies)
        made.headers.update({"origin": site.public_urls[0], **PAGE})
        yield made


def become(browser: httpx2.AsyncClient, person: Person) -> None:
    """As another tab does that signs in."""
    browser.cookies.clear()
    browser.cookies.update(person.cookies)


def bar_of(page: httpx2.Response) -> str:
    found = re.search(r'<div class="session".*?</div>', page.text, re.DOTALL)
    assert found is not None
    return found[0]


def data_of(page: httpx2.Response) -> Mapping[str, str]:
    return dict(re.findall(r'data-(\w+)="([^"]*)"', bar_of(page)))


def test_a_person_is_one_for_as_long_as_it_is_the_same_user_and_the_mark_for_as_long_as_the_bar_is() -> None:
    session_id, user_id, other_id = uuid4(), uuid4(), uuid4()
    visitor = Identity(session_id)
    user = Identity(session_id, user_id=user_id, name="mara_k", role=UserRole.USER)
    renamed, promoted = replace(user, name="mara"), replace(user, role=UserRole.ADMIN)
    elsewhere = replace(user, session_id=other_id)
    statuses = [status_of(one) for one in (visitor, user, renamed, promoted)]
    assert len({status.mark for status in statuses} | {NOBODY.mark}) == 5
    assert [status.person for status in statuses[1:]] == [statuses[1].person] * 3
    assert statuses[0].person != statuses[1].person
    assert status_of(elsewhere) == statuses[1]
    assert [status.whose for status in (status_of(None), *statuses)] == ["", ""] + [statuses[1].person] * 3
    assert len(statuses[1].person) == DIGEST_CHARACTERS
    assert str(user_id)[:8] not in statuses[1].person


async def test_the_bar_says_it_with_the_role_of_admins(site: Site, postgres: Postgres, mara: Person) -> None:
    ada = await signed_in(postgres, "ada", UserRole.ADMIN)
    for person, chips in ((mara, 0), (ada, 1)):
        async with browser_of(site, person) as browser:
            bar = bar_of(await browser.get("/"))
            assert f">{person.username}</a>" in bar
            assert bar.count('<b class="chip">ADMIN</b>') == chips
            assert NOT_SIGNED_IN not in bar
            assert bar_of(await browser.get("/session")) == bar


async def test_an_open_page_is_told_of_the_place_it_is_at(site: Site) -> None:
    async with site.client() as browser:
        first = await browser.get("/session", headers={"referer": "http://127.0.0.1:8420/c/lab?x=1"})
        assert (first.status_code, first.headers["cache-control"]) == (200, "no-store")
        assert NOT_SIGNED_IN in bar_of(first)
        assert data_of(first) == {"person": "", "mark": "nobody", "whose": ""}
        assert 'href="/c/lab?x=1">Reload' in first.text
        assert "set-cookie" not in first.headers
        for referer in ("https://evil.example", "https://evil.example//evil.example", "http://[", ""):
            elsewhere = await browser.get("/session", headers={"referer": referer})
            assert 'href="/">Reload' in elsewhere.text, referer


async def test_while_a_sign_in_replaces_the_token_nothing_is_said(site: Site, postgres: Postgres) -> None:
    sessions = Sessions(postgres, LIMITS)
    async with site.client() as browser:
        await browser.get("/")
        identity = await sessions.find(browser.cookies["tallylight_session"])
        assert identity is not None
        await sessions.sign_in(identity.session_id, await Rows(postgres).user("mara_k"))
        assert (await browser.get("/session")).status_code == 204
        page = await browser.get("/")
        assert (data_of(page)["mark"], NOT_SIGNED_IN in page.text, "Signed in" in bar_of(page)) == ("", False, False)


async def test_a_page_with_a_name_on_it_is_kept_by_no_browser(site: Site, mara: Person) -> None:
    async with browser_of(site, mara) as browser:
        assert (await browser.get("/")).headers["cache-control"] == "no-store"
    async with site.client() as browser:
        assert (await browser.get("/")).headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("code", ["bad_request", "unauthorized", "forbidden", "not_found", "conflict"])
async def test_an_error_page_says_who_is_signed_in(browser: httpx2.AsyncClient, code: str) -> None:
    page = await browser.get(f"/refused/{code}")
    assert ">mara_k</a>" in bar_of(page)
    assert page.headers["cache-control"] == "no-store"
    browser.cookies.clear()
    assert NOT_SIGNED_IN in bar_of(await browser.get(f"/refused/{code}"))


@pytest.mark.parametrize("code", ["rate_limited", "unavailable", "internal", "overloaded"])
async def test_one_that_may_fail_again_says_nothing_and_lets_the_page_ask(
    browser: httpx2.AsyncClient, code: str
) -> None:
    page = await browser.get(f"/refused/{code}")
    assert data_of(page) == {"person": "", "mark": "", "whose": ""}
    assert "igned in" not in page.text
    assert "session-bar.js" in page.text


async def test_without_postgres_nothing_false_is_said(disposable_postgres: EmbeddedPostgres) -> None:
    postgres = await Postgres.open(disposable_postgres.url)
    try:
        async with Site(postgres).client() as browser:
            browser.cookies.set("tallylight_session", "C" * 43)
            disposable_postgres.kill()
            for path, status in (("/", 503), ("/not-there", 404)):
                page = await browser.get(path, headers=PAGE)
                assert (page.status_code, "igned in" in page.text) == (status, False)
    finally:
        await postgres.close()


async def test_a_401_offers_the_sign_in_and_leads_back(postgres: Postgres, site: Site) -> None:
    async with site.client() as browser:
        page = await browser.get("/admin/payment-events?cursor=x", headers=PAGE)
    assert page.status_code == 401
    assert "<h1>Sign in first.</h1>" in page.text


async def test_a_403_says_which_role_is_needed_and_which_one_has(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/admin/payment-events")
    assert page.status_code == 403
    assert "<h1>Admins only.</h1>" in page.text
    assert "You are signed in as mara_k (USER)." in page.text
    problem = (await browser.get("/admin/payment-events", headers={"accept": "application/json"})).json()
    assert problem["details"] == {"role": "ADMIN"}
    browser.cookies.clear()
    await browser.get("/")
    assert "You are not signed in." in (await browser.get("/admin/payment-events")).text


FORMS = {
    "/signout": "",
    "/me/settings": "username=jonas",
    "/me/sessions": "end=others",
    "/me/keys": "name=a",
    "/me/keys/revoke": f"id={ABSENT_ID}",
    "/me/delete": "username=jonas",
    "/welcome": "username=jonas_2",
    f"/me/accounts/{ABSENT_ID}/unlink": "",
}


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_of_one_user_does_nothing_for_the_next(
    browser: httpx2.AsyncClient, postgres: Postgres, path: str
) -> None:
    whose = data_of(await browser.get("/me"))["whose"]
    jonas = await signed_in(postgres, "jonas")
    become(browser, jonas)
    fields = "&".join(part for part in (FORMS[path], f"whose={whose}") if part)
    headers = {"content-type": FORM, "referer": "http://127.0.0.1:8420/me/settings"}
    answer = await browser.post(path, content=fields, headers=headers)
    assert answer.status_code == 409
    assert "Nothing was done." in answer.text
    assert 'href="/me/settings">Open the page again</a>' in answer.text
    assert ">jonas</a>" in bar_of(answer)
    assert (await browser.get("/me/keys")).status_code == 200


async def test_every_form_that_a_user_sees_says_whose_it_is(browser: httpx2.AsyncClient) -> None:
    for path in ("/", "/me/settings", "/me/sessions", "/me/keys", "/me/delete"):
        page = await browser.get(path)
        whose = f'name="whose" value="{data_of(page)["whose"]}"'
        for form in re.findall(r'<form[^>]*method="post".*?</form>', page.text, re.DOTALL):
            assert whose in form, path


async def review_of(browser: httpx2.AsyncClient) -> dict[str, str]:
    page = await browser.get("/c/lab/contribute/review?type=CREDIT_PURCHASE&amount=5")
    [form] = re.findall(r'<form method="post" action="/c/lab/contribute">.*?</form>', page.text, re.DOTALL)
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


async def givers(postgres: Postgres) -> list[object]:
    return [row["session_id"] for row in await postgres.pool.fetch("SELECT session_id FROM contribution")]


async def test_what_one_user_began_to_give_is_asked_again_of_the_next(
    browser: httpx2.AsyncClient, postgres: Postgres
) -> None:
    await Rows(postgres).active_channel("lab")
    fields = await review_of(browser)
    jonas = await signed_in(postgres, "jonas")
    become(browser, jonas)
    again = await browser.post("/c/lab/contribute", data=fields)
    assert again.status_code == 409
    assert "Nothing was charged: look again." in again.text
    assert "You appear as <b>jonas</b>" in again.text
    assert await givers(postgres) == []
    [form] = re.findall(r'<form method="post" action="/c/lab/contribute">.*?</form>', again.text, re.DOTALL)
    looked_at = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    assert looked_at["idempotencyKey"] != fields["idempotencyKey"]
    assert (await browser.post("/c/lab/contribute", data=looked_at)).status_code == 303
    assert await givers(postgres) == [jonas.session_id]


async def test_what_a_user_began_is_asked_again_of_the_visitor_who_follows(
    browser: httpx2.AsyncClient, postgres: Postgres
) -> None:
    await Rows(postgres).active_channel("lab")
    fields = await review_of(browser)
    await browser.post("/signout", content="", headers={"content-type": FORM})
    assert (await browser.post("/c/lab/contribute", data=fields)).status_code == 409
    assert await givers(postgres) == []


async def test_what_a_visitor_began_counts_for_the_user_that_they_become(
    browser: httpx2.AsyncClient, postgres: Postgres, mara: Person
) -> None:
    await Rows(postgres).active_channel("lab")
    browser.cookies.clear()
    await browser.get("/")
    fields = await review_of(browser)
    become(browser, mara)
    assert (await browser.post("/c/lab/contribute", data=fields)).status_code == 303
    assert await givers(postgres) == [mara.session_id]
