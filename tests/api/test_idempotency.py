"""`Idempotency-Key` over HTTP: once for each key, the same answer for ever, a refusal may be tried again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.api.idempotency import Idempotency, checked_key, idempotency_key
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.embedded.postgres import EmbeddedPostgres
from server.storage.idempotency import IdempotencyKeys
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.api.site import Site

KEY = "a-key-of-8"
ALICE, BOB = new_id(), new_id()


class Counter:
    """A route that counts how often it was carried out; `outcome` says what comes of the next one."""

    def __init__(self, postgres: Postgres) -> None:
        self.operations: list[UUID] = []
        self.idempotency = Idempotency(IdempotencyKeys(postgres), run_seconds_max=0.5)
        self.outcome: Callable[[], Awaitable[Response]] = self.make

    async def make(self) -> Response:
        response = Response(b"number %d\xff" % len(self.operations), 201, {"location": "/things/1", "x-more": "yes"})
        response.set_cookie("secret", "of the first one")
        return response

    async def endpoint(self, request: Request) -> Response:
        async def work(operation_id: UUID) -> Response:
            self.operations.append(operation_id)
            return await self.outcome()

        key = idempotency_key(request)
        session_id = BOB if "bob" in request.headers else ALICE
        return await self.idempotency.once(request, Identity(session_id), key, work)

    def refuse(self, code: Code) -> None:
        async def refused() -> Response:
            raise Refusal(code, "Because.")

        self.outcome = refused


@pytest.fixture
def counter(postgres: Postgres) -> Counter:
    return Counter(postgres)


@pytest.fixture
async def client(site: Site, counter: Counter) -> AsyncIterator[httpx2.AsyncClient]:
    routes = [
        Route(path, counter.endpoint, methods=["POST", "PUT"]) for path in ("/api/things/{name}", "/api/others/{name}")
    ]
    async with site.client(*routes) as browser:
        yield browser


async def post(
    client: httpx2.AsyncClient, key: str | None = KEY, body: bytes = b"{}", path: str = "/api/things/a"
) -> httpx2.Response:
    return await client.post(path, content=body, headers={} if key is None else {"idempotency-key": key})


def seen(answer: httpx2.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    return answer.status_code, answer.content, [pair for pair in answer.headers.items() if pair[0] != "set-cookie"]


async def test_a_repetition_has_the_same_status_headers_and_body(client: httpx2.AsyncClient, counter: Counter) -> None:
    first, again = await post(client), await post(client)
    assert seen(first) == seen(again)
    assert (again.status_code, again.content, again.headers["location"]) == (201, b"number 1\xff", "/things/1")
    assert "set-cookie" not in again.headers
    assert len(counter.operations) == 1


@pytest.mark.parametrize("text", ["a" * 8, "a" * 64, "!~{}[]:/"])
def test_a_key_is_visible_ascii(text: str) -> None:
    assert checked_key(text) == text


@pytest.mark.parametrize(
    "text", ["", "a" * 7, "a" * 65, "eight ch", "sieben-ß", "with\ttab", "with-nul\0", "line-end\n"]
)
def test_any_other_text_is_no_key(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        checked_key(text)
    assert refused.value.code is Code.BAD_REQUEST


@pytest.mark.parametrize("headers", [[], [("idempotency-key", "")], [("idempotency-key", KEY)] * 2])
async def test_without_one_key_nothing_is_done(
    client: httpx2.AsyncClient, counter: Counter, headers: list[tuple[str, str]]
) -> None:
    answer = await client.post("/api/things/a", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert counter.operations == []


@pytest.mark.parametrize("path", ["/api/things/a", "/api/things/b", "/api/things/a?q=1"])
async def test_the_same_key_with_other_content_is_a_conflict(
    client: httpx2.AsyncClient, counter: Counter, path: str
) -> None:
    await post(client, body=b"one")
    answer = await post(client, body=b"two" if path == "/api/things/a" else b"one", path=path)
    assert (answer.status_code, answer.json()["code"], answer.json()["retry"]) == (409, "conflict", False)
    assert len(counter.operations) == 1


async def test_a_key_belongs_to_one_session_one_method_and_one_route(
    client: httpx2.AsyncClient, counter: Counter
) -> None:
    headers = {"idempotency-key": KEY}
    await client.post("/api/things/a", headers=headers)
    await client.post("/api/things/a", headers={**headers, "bob": "yes"})
    await client.put("/api/things/a", headers=headers)
    await client.post("/api/others/a", headers=headers)
    assert len(set(counter.operations)) == 4


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.PROVIDER_ERROR, Code.CHANNEL_PENDING, Code.NOT_FOUND])
async def test_a_refusal_is_not_kept_and_the_next_try_is_the_same_operation(
    client: httpx2.AsyncClient, counter: Counter, code: Code
) -> None:
    counter.refuse(code)
    assert (await post(client)).json()["code"] == code
    counter.outcome = counter.make
    assert (await post(client)).status_code == 201
    assert counter.operations[0] == counter.operations[1]


async def test_after_a_refusal_the_key_may_carry_other_content(client: httpx2.AsyncClient, counter: Counter) -> None:
    counter.refuse(Code.BAD_REQUEST)
    await post(client, body=b"one")
    counter.outcome = counter.make
    assert (await post(client, body=b"two")).status_code == 201


async def test_an_answer_that_is_an_error_is_not_kept(client: httpx2.AsyncClient, counter: Counter) -> None:
    async def page_with_errors() -> Response:
        return Response(b"look again", 422)

    counter.outcome = page_with_errors
    assert (await post(client)).status_code == 422
    counter.outcome = counter.make
    assert (await post(client, body=b"other")).status_code == 201


async def test_a_mistake_of_ours_is_not_kept(client: httpx2.AsyncClient, counter: Counter) -> None:
    async def break_down() -> Response:
        raise RuntimeError

    counter.outcome = break_down
    assert (await post(client)).status_code == 500
    counter.outcome = counter.make
    assert (await post(client)).status_code == 201


async def test_while_it_is_carried_out_a_repetition_is_busy(client: httpx2.AsyncClient, counter: Counter) -> None:
    began, may_end = asyncio.Event(), asyncio.Event()

    async def wait() -> Response:
        began.set()
        await may_end.wait()
        return await counter.make()

    counter.outcome = wait
    first = asyncio.create_task(post(client))
    await began.wait()
    second = await post(client)
    assert (second.status_code, second.json()["code"], second.json()["retry"]) == (409, "busy", True)
    assert second.headers["retry-after"] == "1"
    may_end.set()
    assert (await first).status_code == 201
    assert (await post(client)).status_code == 201
    assert len(counter.operations) == 1


async def test_what_takes_too_long_is_given_up_and_may_be_tried_again(
    client: httpx2.AsyncClient, counter: Counter
) -> None:
    async def hang() -> Response:
        await asyncio.Event().wait()
        return await counter.make()

    counter.outcome = hang
    assert (await post(client)).json()["code"] == "unavailable"
    counter.outcome = counter.make
    assert (await post(client)).status_code == 201


async def test_what_a_dead_node_began_is_carried_out_again_under_the_same_id(
    client: httpx2.AsyncClient, counter: Counter, postgres: Postgres
) -> None:
    began = asyncio.Event()

    async def die() -> Response:
        began.set()
        await asyncio.Event().wait()
        return await counter.make()

    counter.idempotency = Idempotency(IdempotencyKeys(postgres))
    counter.outcome = die
    dying = asyncio.create_task(post(client))
    await began.wait()
    dying.cancel()
    await asyncio.wait([dying])
    counter.outcome = counter.make
    assert (await post(client)).json()["code"] == "busy"
    await postgres.pool.execute("UPDATE idempotency_key SET lease_until = clock_timestamp() - interval '1 ms'")
    assert (await post(client)).status_code == 201
    assert counter.operations[0] == counter.operations[1]


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(disposable_postgres: EmbeddedPostgres) -> None:
    postgres = await Postgres.open(disposable_postgres.url)
    counter = Counter(postgres)

    async def make_and_lose_the_database() -> Response:
        disposable_postgres.stop()
        return await counter.make()

    counter.idempotency, counter.outcome = Idempotency(IdempotencyKeys(postgres)), make_and_lose_the_database
    route = Route("/api/things/{name}", counter.endpoint, methods=["POST"])
    async with Site(postgres).client(route) as client:
        assert (await post(client)).status_code == 201
    await postgres.close()
