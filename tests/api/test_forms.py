"""Fields of forms: read as browsers write them, refused where they could mean two things."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.api.forms import FIELDS_MAX, MEDIA_TYPE, read_form
from tests.api.site import Site


async def echo(request: Request) -> Response:
    return JSONResponse(await read_form(request))


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with site.client(Route("/api/echo", echo, methods=["POST"])) as browser:
        yield browser


async def post(client: httpx2.AsyncClient, body: bytes, media_type: str = MEDIA_TYPE) -> httpx2.Response:
    return await client.post("/api/echo", content=body, headers={"content-type": media_type})


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", {}),
        (b"a=1&b=", {"a": "1", "b": ""}),
        (b"name=Zo%C3%AB+K%26L%3D", {"name": "Zoë K&L="}),
        (b"&".join(b"f%d=x" % number for number in range(FIELDS_MAX)), {f"f{n}": "x" for n in range(FIELDS_MAX)}),
    ],
)
async def test_fields_are_read(client: httpx2.AsyncClient, body: bytes, fields: dict[str, str]) -> None:
    assert (await post(client, body, f"{MEDIA_TYPE}; charset=UTF-8")).json() == fields


@pytest.mark.parametrize(
    "body",
    [
        b"a=1&a=2",
        b"a=%00",
        b"%00=a",
        b"a=%ff",
        b"a=\xc3\xab",
        b"nothing",
        b"&".join(b"f%d=x" % number for number in range(FIELDS_MAX + 1)),
    ],
)
async def test_anything_else_is_refused(client: httpx2.AsyncClient, body: bytes) -> None:
    assert (await post(client, body)).json()["code"] == "bad_request"


async def test_another_media_type_is_refused(client: httpx2.AsyncClient) -> None:
    assert (await post(client, b"{}", "application/json")).json()["code"] == "bad_request"
