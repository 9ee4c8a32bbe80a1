"""What goes wrong is answered without a detail, logged with a reference, and never half an answer."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from server.api.security_headers import HEADERS
from server.domain.errors import Code, Refusal
from server.embedded.postgres import EmbeddedPostgres
from server.storage.postgres import Postgres
from tests.api.site import Site

SECRET = "what a fan wrote"


async def break_down(_request: Request) -> Response:
    raise RuntimeError(SECRET)


async def break_midway(_request: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"a part"
        raise RuntimeError(SECRET)

    return StreamingResponse(body())


async def refuse(request: Request) -> Response:
    raise Refusal(Code(request.path_params["code"]), "Because.", after_seconds=1.2, details={"left": 3})


async def refuse_as_the_framework_does(request: Request) -> Response:
    raise HTTPException(int(request.path_params["status"]), SECRET)


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    routes = [
        Route("/broken", break_down),
        Route("/api/broken", break_down),
        Route("/api/midway", break_midway),
        Route("/refused/{code}", refuse),
        Route("/api/refused/{code}", refuse),
        Route("/api/http/{status}", refuse_as_the_framework_does),
    ]
    async with site.client(*routes) as browser:
        yield browser


async def test_a_mistake_of_ours_is_a_500_with_a_reference_and_no_detail(client: httpx2.AsyncClient) -> None:
    with capture_logs() as logged:
        answer = await client.get("/api/broken")
    problem: dict[str, Any] = answer.json()
    failed = next(line for line in logged if line["event"] == "request_failed")
    assert len(problem.pop("reference")) == 8
    assert problem == {
        "title": "Internal Server Error",
        "status": 500,
        "detail": "Something broke on our side.",
        "code": "internal",
        "retry": False,
    }
    assert failed["reference"] == answer.json()["reference"]
    assert failed["route"] == "/api/broken"
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


async def test_its_page_shows_the_reference_too(client: httpx2.AsyncClient) -> None:
    with capture_logs() as logged:
        answer = await client.get("/broken", headers={"accept": "text/html"})
    reference = next(line["reference"] for line in logged if line["event"] == "request_failed")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert reference in answer.text
    assert SECRET not in answer.text


async def test_an_answer_that_breaks_midway_is_cut_and_not_completed(client: httpx2.AsyncClient) -> None:
    with pytest.raises(RuntimeError):
        await client.get("/api/midway")


STATUS = {
    Code.BAD_REQUEST: 400,
    Code.TOO_LARGE: 413,
    Code.UNAUTHORIZED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.NO_CREDIT: 402,
    Code.CHANNEL_PENDING: 409,
    Code.CHANNEL_INACTIVE: 409,
    Code.BUSY: 409,
    Code.LIMIT_REACHED: 409,
    Code.CLOSED: 409,
    Code.TOO_LONG_FOR_REMAINING: 422,
    Code.RATE_LIMITED: 429,
    Code.QUOTA_EXCEEDED: 429,
    Code.OVERLOADED: 503,
    Code.PROVIDER_ERROR: 502,
    Code.UNAVAILABLE: 503,
    Code.CONFLICT: 409,
    Code.INTERNAL: 500,
}


@pytest.mark.parametrize("code", list(Code))
async def test_every_code_has_its_status(client: httpx2.AsyncClient, code: Code) -> None:
    status = STATUS[code]
    answer = await client.get(f"/api/refused/{code.value}")
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code.value)
    assert (problem["detail"], problem["after"], problem["details"]) == ("Because.", 2, {"left": 3})
    assert answer.headers["retry-after"] == "2"
    page = await client.get(f"/refused/{code.value}", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["retry-after"]) == (status, "2")


@pytest.mark.parametrize(("status", "code"), [(413, "too_large"), (416, "bad_request"), (404, "not_found")])
async def test_the_frameworks_words_are_not_shown(client: httpx2.AsyncClient, status: int, code: str) -> None:
    answer = await client.get(f"/api/http/{status}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert SECRET not in answer.text


async def test_a_refusal_that_is_the_callers_fault_is_no_error_in_the_log(client: httpx2.AsyncClient) -> None:
    with capture_logs() as logged:
        await client.get("/api/refused/not_found")
    assert [line["event"] for line in logged] == ["request"]


async def test_the_log_names_routes_and_nothing_that_callers_send(client: httpx2.AsyncClient) -> None:
    client.cookies.set("tallylight_session", "B" * 43)
    with capture_logs() as logged:
        await client.get("/c/canary-name?q=canary-query", headers={"x-canary": "canary-header"})
        await client.get("/api/chats/canary-id?q=canary-query")
    text = json.dumps(logged, default=str)
    assert [line["route"] for line in logged if "route" in line] == ["/c/{name}", "/api/chats/{id}"]
    assert "canary" not in text
    assert "B" * 43 not in text


async def test_health_and_static_files_are_logged_only_when_they_fail(client: httpx2.AsyncClient) -> None:
    with capture_logs() as logged:
        for path in ("/healthz", "/readyz", "/static/vendor/vendor.lock.json"):
            assert (await client.get(path)).status_code == 200
        await client.get("/static/absent.js")
    assert [(line["route"], line["status"]) for line in logged] == [("/static", 404)]


async def test_without_postgres_reads_are_503_and_health_lives(disposable_postgres: EmbeddedPostgres) -> None:
    postgres = await Postgres.open(disposable_postgres.url)
    try:
        async with Site(postgres).client() as browser:
            browser.cookies.set("tallylight_session", "C" * 43)
            disposable_postgres.kill()
            for path in ("/api/channels", "/api/channels/lab", "/api/chats", "/", "/c/lab"):
                answer = await browser.get(path, headers={"accept": "application/json"})
                problem = answer.json()
                assert (answer.status_code, problem["code"], problem["retry"]) == (503, "unavailable", True), path
                assert answer.headers["retry-after"] == "2"
            assert (await browser.get("/", headers={"accept": "text/html"})).status_code == 503
            assert (await browser.get("/healthz")).status_code == 200
    finally:
        await postgres.close()
