"""Every route, as the table declares it, with everybody who may and who may not use it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from server.api.access import PERSONAL, SAFE_METHODS, access_of, scope_of
from server.api.contract import described_routes
from server.api.operations import Access, Operation, operation_of
from server.api.security_headers import DEFAULTS, HEADERS, HSTS, OPENER, POLICY, content_security_policy
from server.api.static_files import ASK_AGAIN
from server.auth.api_keys import ApiKeys
from server.auth.roles import set_role
from server.domain.scopes import Scope
from server.domain.users import UserRole
from server.storage.postgres import Postgres
from tests.api.site import Site
from tests.support.people import Person, sign_in_again, signed_in
from tests.support.rows import Rows

SOME_ID = "019ab5f2-0000-7000-8000-000000000000"
PASSED = "passed"
WHO = ("nobody", "visitor", "user", "admin", "key")
OUTCOMES: Mapping[Access, Mapping[str, object]] = {
    Access.ANYBODY: dict.fromkeys(WHO, PASSED),
    Access.OWN_PAGE: {**dict.fromkeys(WHO, PASSED), "key": 403},
    Access.EMBED: dict.fromkeys(WHO, PASSED),
    Access.SIGNED: {},
    Access.CALLER: {"nobody": 401, "visitor": PASSED, "user": PASSED, "admin": PASSED, "key": PASSED},
    Access.PERSON: {"nobody": 401, "visitor": PASSED, "user": PASSED, "admin": PASSED, "key": 403},
    Access.USER: {"nobody": 401, "visitor": 403, "user": PASSED, "admin": PASSED, "key": 403},
    Access.ADMIN: {"nobody": 401, "visitor": 403, "user": 403, "admin": PASSED, "key": 403},
}
"""What each kind of caller gets; passed: anything but 401 and 403, as the route is asked for what is not there."""

REFUSED = {401: "unauthorized", 403: "forbidden"}
FOREIGN: Mapping[str, Mapping[str, str]] = {
    "no origin": {},
    "another site": {"origin": "https://evil.example"},
    "a look-alike": {"origin": "http://127.0.0.1:8420.evil.example"},
    "another port": {"origin": "http://127.0.0.1:8421"},
    "another scheme": {"origin": "https://127.0.0.1:8420"},
    "null": {"origin": "null"},
    "ours by a page of another site": {"origin": "http://127.0.0.1:8420", "sec-fetch-site": "cross-site"},
    "ours by a page of a neighbour": {"origin": "http://127.0.0.1:8420", "sec-fetch-site": "same-site"},
}


@dataclass(frozen=True)
class Entry:
    """One method of one route."""

    method: str
    path: str
    operation: Operation

    @property
    def access(self) -> Access:
        return access_of(self.operation, self.method)

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE_METHODS

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _entry(route: Route) -> Entry:
    [method] = (route.methods or {"GET"}) - {"HEAD"}
    path = route.path.format(name="lab", id=SOME_ID, provider="sandbox", username="somebody", token="t")
    return Entry(method, path, operation_of(route.endpoint))


TABLE = [_entry(route) for route in described_routes() if isinstance(route, Route)]
CHANGES = [entry for entry in TABLE if not entry.is_safe]
OWN = {"origin": "http://127.0.0.1:8420", "sec-fetch-site": "same-origin", "accept": "application/json"}


@dataclass
class Crowd:
    """A browser or program of each kind; each request is of a new session, as some of them end one."""

    site: Site
    app: Starlette
    secret: str
    user: Person
    admin: Person

    async def ask(
        self, who: str, entry: Entry, headers: Mapping[str, str] = OWN, content: bytes | None = None
    ) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(transport=transport, base_url=self.site.public_urls[0]) as client:
            if who == "visitor":
                await client.get("/")
            elif who in {"user", "admin"}:
                person: Person = getattr(self, who)
                again = await sign_in_again(self.site.postgres, person.user_id, person.username)
                client.cookies.update(again.cookies)
            elif who == "key":
                client.headers["authorization"] = f"Bearer {self.secret}"
            body: dict[str, Any] = {"json": {}} if content is None else {"content": content}
            return await client.request(
                entry.method, entry.path, headers=dict(headers), **({} if entry.is_safe else body)
            )


@pytest.fixture
async def crowd(site: Site, postgres: Postgres) -> Crowd:
    await Rows(postgres).active_channel("lab")
    _, secret = await ApiKeys(postgres).create("a program")
    admin = await signed_in(postgres, "boss", UserRole.ADMIN)
    return Crowd(site, site.app(), secret, await signed_in(postgres, "fan"), admin)


@pytest.mark.parametrize("who", WHO)
async def test_who_may_use_each_route(crowd: Crowd, who: str) -> None:
    for entry in TABLE:
        if entry.access is Access.SIGNED:
            continue
        answer, expected = await crowd.ask(who, entry), OUTCOMES[entry.access][who]
        if expected == PASSED:
            assert answer.status_code not in REFUSED, str(entry)
        else:
            assert answer.status_code == expected, str(entry)
            assert answer.json()["code"] == REFUSED[answer.status_code]


@pytest.mark.parametrize("forgery", FOREIGN)
async def test_no_page_of_another_site_changes_anything(crowd: Crowd, forgery: str) -> None:
    for entry in CHANGES:
        answer = await crowd.ask("admin", entry, {"accept": "application/json", **FOREIGN[forgery]})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), str(entry)


async def test_a_key_needs_no_origin(crowd: Crowd) -> None:
    for entry in CHANGES:
        if entry.access in {Access.CALLER, Access.EMBED}:
            answer = await crowd.ask("key", entry, {"accept": "application/json"})
            assert answer.status_code not in REFUSED, str(entry)


@pytest.mark.parametrize("media_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml"])
async def test_what_other_sites_pages_can_send_without_asking_is_no_body(crowd: Crowd, media_type: str) -> None:
    for entry in CHANGES:
        if entry.access is not Access.SIGNED:
            answer = await crowd.ask("admin", entry, {**OWN, "content-type": media_type}, b"{}")
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), str(entry)


@pytest.mark.parametrize("who", WHO)
async def test_every_answer_has_every_header(crowd: Crowd, who: str) -> None:
    for entry in TABLE:
        answer = await crowd.ask(who, entry)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, str(entry)
        assert "strict-transport-security" not in answer.headers
        assert "cache-control" in answer.headers, str(entry)


async def test_what_is_the_callers_own_is_kept_by_no_browser(crowd: Crowd) -> None:
    for entry in TABLE:
        if entry.operation.shows_own or entry.access in PERSONAL:
            answer = await crowd.ask("admin", entry)
            assert answer.headers["cache-control"] == "no-store", str(entry)


async def test_what_shows_ones_own_things_says_so() -> None:
    """A new page about the caller is noticed here: what is under these addresses is somebody's own."""
    prefixes = ("/me", "/contributions/", "/admin/", "/checkout/", "/api/me/", "/api/admin/", "/api/chats")
    own = [entry for entry in TABLE if entry.path.startswith(prefixes)]
    assert len(own) > 10
    for entry in own:
        assert entry.operation.shows_own or entry.access is not Access.ANYBODY, str(entry)


async def test_pages_that_show_ones_own_things_say_so_to_the_script(crowd: Crowd) -> None:
    for entry in TABLE:
        if not entry.is_safe or entry.path.startswith("/api") or not entry.operation.shows_own:
            continue
        page = await crowd.ask("user", entry)
        if "<header" in page.text and page.status_code == 200:
            assert '<header class="bar" data-own>' in page.text, str(entry)
    for path in ("/c/lab/contribute", "/c/lab/contribute/review?type=CREDIT_PURCHASE&amount=5"):
        async with crowd.site.client() as browser:
            assert '<header class="bar" data-own>' in (await browser.get(path)).text


def test_what_is_for_admins_says_so() -> None:
    """No endpoint looks at a role: a new one that forgets to declare it is noticed here."""
    own = [entry for entry in TABLE if entry.path.startswith(("/admin", "/api/admin"))]
    assert len(own) > 3
    for entry in own:
        assert entry.access is Access.ADMIN, str(entry)


async def test_static_files_and_what_is_not_there_have_the_headers_too(client: httpx2.AsyncClient) -> None:
    [mount] = [route for route in described_routes() if isinstance(route, Mount)]
    for path in (f"{mount.path}/site.css", f"{mount.path}/absent.css", "/absent", "/api/absent", "/%00"):
        answer = await client.get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
    assert (await client.get(f"{mount.path}/site.css")).headers["cache-control"] == ASK_AGAIN
    assert (await client.get("/api/absent")).headers["cache-control"] == DEFAULTS["cache-control"]


async def test_browsers_are_told_to_come_back_by_https_where_the_site_is(postgres: Postgres) -> None:
    async with Site(postgres, public_urls=("https://chat.example",), is_https_only=True).client() as client:
        for path in ("/", "/absent", "/static/site.css"):
            answer = await client.get(path)
            assert {name: answer.headers.get(name) for name in HSTS} == HSTS, path


def test_the_headers_are_these() -> None:
    assert {name: value for name, value in HEADERS.items() if name != POLICY} == {
        "x-content-type-options": "nosniff",
        "referrer-policy": "strict-origin-when-cross-origin",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), display-capture=(), geolocation=(), hid=(), "
        "microphone=(), midi=(), serial=(), usb=()",
    }


def test_a_page_for_frames_names_who_may_show_it() -> None:
    origins = ["https://fans.example", "https://club.example"]
    directives = dict(part.split(" ", 1) for part in content_security_policy(origins).split("; "))
    assert directives["frame-ancestors"] == "https://fans.example https://club.example"
    own = dict(part.split(" ", 1) for part in HEADERS[POLICY].split("; "))
    assert {name: value for name, value in directives.items() if name != "frame-ancestors"} == {
        name: value for name, value in own.items() if name != "frame-ancestors"
    }
    assert (own["frame-ancestors"], HEADERS[OPENER]) == ("'none'", "same-origin")


@pytest.mark.parametrize("scope", Scope)
async def test_a_key_may_do_what_its_scope_says_and_nothing_else(crowd: Crowd, scope: Scope) -> None:
    """Owned by an admin, so that nothing but the scope is in the way."""
    keys = ApiKeys(crowd.site.postgres)
    _, crowd.secret = await keys.create("a program", [scope], owner_id=crowd.admin.user_id)
    for entry in TABLE:
        if entry.access in {Access.CALLER, Access.EMBED, Access.ADMIN}:
            answer = await crowd.ask("key", entry)
            if scope_of(entry.operation, entry.method) is scope:
                assert answer.status_code not in REFUSED, str(entry)
            else:
                assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), str(entry)


async def test_an_admins_key_is_none_once_its_owner_is_none(crowd: Crowd) -> None:
    keys = ApiKeys(crowd.site.postgres)
    _, crowd.secret = await keys.create("a program", list(Scope), owner_id=crowd.admin.user_id)
    await set_role(crowd.site.postgres, crowd.admin.username, UserRole.USER)
    for entry in TABLE:
        if entry.access is Access.ADMIN:
            assert (await crowd.ask("key", entry)).status_code == 403, str(entry)
