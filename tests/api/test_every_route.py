"""What holds for the whole table of routes: headers, methods, bodies."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.routing import BaseRoute, Mount, Route

from server.api.body_limit import REQUEST_BODY_BYTES_MAX
from server.api.security_headers import HEADERS
from tests.api.site import Site
from tests.support.rows import Rows

OUTSIDE = (
    "/absent",
    "/api",
    "/api/",
    "/api/channels/",
    "/api/chats/1/2/3",
    "/ws",
    "/static/..%2fmain.py",
)
UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")
READS = frozenset({"GET", "HEAD"})
SOME_ID = "019ab5f2-0000-7000-8000-000000000000"
WITHOUT_SESSION: dict[str, tuple[int, str | None]] = {
    "/webhooks/sandbox": (403, "forbidden"),  # it is the signature that counts
    "/signin/sandbox": (404, "not_found"),  # whoever signs in has not signed in yet
    f"/checkout/{SOME_ID}": (404, "not_found"),  # whoever has the id of a contribution may pay it
    "/signout": (303, None),  # begins a visitor's session
    "/api/ws-tickets": (400, "bad_request"),  # so does this, in a frame
    "/api/embed-sessions": (400, "bad_request"),  # it is the code that counts
}
"""Routes that change something and ask for no session, with what nobody in particular gets there."""


def methods_of(routes: list[BaseRoute]) -> dict[str, frozenset[str]]:
    """What each path can be asked with."""
    methods: dict[str, frozenset[str]] = {}
    for route in routes:
        if isinstance(route, Mount):
            files = ("vendor/vendor.lock.json", "absent.css", "vendor")
            methods |= {f"{route.path}/{file}": READS for file in files}
        elif isinstance(route, Route):
            path = route.path.format(name="lab", id=SOME_ID, provider="sandbox", username="mara_k")
            methods[path] = methods.get(path, frozenset()) | frozenset(route.methods or READS)
    return methods


def policy_of(answer: httpx2.Response) -> dict[str, str]:
    return {name: answer.headers.get(name, "") for name in HEADERS}


@pytest.fixture
async def methods(site: Site, rows: Rows) -> dict[str, frozenset[str]]:
    await rows.active_channel("lab")
    return methods_of(site.app().routes)


@pytest.fixture
def paths(methods: dict[str, frozenset[str]]) -> list[str]:
    return list(methods)


async def test_the_matrix_knows_the_table(paths: list[str]) -> None:
    assert {"/", "/c/lab", "/api/channels", "/readyz", "/static/absent.css"} <= set(paths)


async def test_every_answer_has_the_security_headers(client: httpx2.AsyncClient, paths: list[str]) -> None:
    for path in (*paths, *OUTSIDE):
        for method in ("GET", "HEAD", *UNSAFE):
            for accept in ("text/html", "application/json"):
                answer = await client.request(method, path, headers={"accept": accept})
                assert policy_of(answer) == HEADERS, (method, path, answer.status_code)
                assert answer.status_code < 500, (method, path)


async def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    directives = dict(part.split(" ", 1) for part in HEADERS["content-security-policy"].split("; "))
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "object-src": "'none'",
        "require-trusted-types-for": "'script'",
    }


@pytest.mark.parametrize("method", UNSAFE)
async def test_a_method_that_a_route_does_not_have_is_405(
    client: httpx2.AsyncClient, methods: dict[str, frozenset[str]], method: str
) -> None:
    for path in [path for path, allowed in methods.items() if method not in allowed]:
        answer = await client.request(method, path, headers={"accept": "application/json"})
        problem: dict[str, Any] = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, problem["status"], problem["code"]) == (405, 405, "bad_request"), path
        assert methods[path] == set(answer.headers["allow"].split(", ")), path


async def test_nobody_that_is_not_known_changes_anything(
    client: httpx2.AsyncClient, methods: dict[str, frozenset[str]]
) -> None:
    for path, allowed in methods.items():
        for method in allowed - READS:
            headers = {"origin": str(client.base_url), "accept": "application/json"}
            answer = await client.request(method, path, json={}, headers=headers)
            client.cookies.clear()
            code = answer.json()["code"] if answer.content else None
            assert (answer.status_code, code) == WITHOUT_SESSION.get(path, (401, "unauthorized")), (method, path)


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://127.0.0.1:8421"])
async def test_no_other_page_changes_anything_with_our_cookie(
    client: httpx2.AsyncClient, methods: dict[str, frozenset[str]], origin: str | None
) -> None:
    assert (await client.get("/")).status_code == 200
    for path, allowed in methods.items():
        for method in allowed - READS:
            headers = {"accept": "application/json"} | ({"origin": origin} if origin else {})
            answer = await client.request(method, path, json={}, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)


async def test_head_says_what_get_says(client: httpx2.AsyncClient, paths: list[str]) -> None:
    for path in paths:
        got, head = await client.get(path), await client.head(path)
        assert head.status_code == got.status_code, path
        assert head.headers.get("content-type") == got.headers.get("content-type"), path


@pytest.mark.parametrize("path", OUTSIDE)
async def test_an_address_that_is_none_leads_nowhere(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(path, follow_redirects=False)
    assert answer.status_code == 404
    assert "location" not in answer.headers


async def endless(chunks: list[int]) -> AsyncIterator[bytes]:
    while True:
        chunks.append(1)
        yield b"x" * 10_000


async def test_a_body_that_is_announced_as_too_large_is_413(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/channels", content=b"x" * (REQUEST_BODY_BYTES_MAX + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert policy_of(answer) == HEADERS


@pytest.mark.parametrize("length", ["-1", "1e3", "", "x", "²"])
async def test_a_length_that_is_no_number_is_400(client: httpx2.AsyncClient, length: str) -> None:
    answer = await client.get("/api/channels", headers={b"content-length": length.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_nobody_waits_for_a_body_that_no_route_reads(client: httpx2.AsyncClient) -> None:
    chunks: list[int] = []
    answer = await client.post("/api/channels", content=endless(chunks))
    assert answer.status_code == 405
    assert len(chunks) <= 1
