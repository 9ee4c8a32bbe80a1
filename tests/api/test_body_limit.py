"""A body is refused as soon as it grows past the limit, whatever it announced."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from server.api.body_limit import BodyLimit
from server.domain.errors import Code, Refusal

LIMIT_BYTES = 100


async def measure(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=[Route("/", measure, methods=["POST"])], middleware=[Middleware(BodyLimit, LIMIT_BYTES)])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost") as browser:
        yield browser


async def chunks_of(total_bytes: int) -> AsyncIterator[bytes]:
    for _ in range(total_bytes // 10):
        yield b"x" * 10


async def test_a_body_of_the_limit_passes(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/", content=b"x" * LIMIT_BYTES)).text == "100"
    assert (await client.post("/", content=chunks_of(LIMIT_BYTES))).text == "100"


async def test_one_byte_more_is_refused(client: httpx2.AsyncClient) -> None:
    with pytest.raises(Refusal) as refused:
        await client.post("/", content=b"x" * (LIMIT_BYTES + 1))
    assert refused.value.code is Code.TOO_LARGE


async def test_a_body_without_a_length_is_refused_where_it_passes_the_limit(client: httpx2.AsyncClient) -> None:
    with pytest.raises(Refusal) as refused:
        await client.post("/", content=chunks_of(LIMIT_BYTES + 10))
    assert refused.value.code is Code.TOO_LARGE
