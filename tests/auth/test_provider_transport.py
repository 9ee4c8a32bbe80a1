"""The way to providers: short answers, as they are, and no redirects."""

import gzip
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from server.auth.providers.discovery import is_safe_address
from server.auth.providers.transport import ANSWER_BYTES_MAX, ProviderTransport, client_options
from server.serving import listen
from tests.support.servers import serving


async def sized(request: Request) -> Response:
    return PlainTextResponse("x" * int(request.path_params["size"]))


async def packed(request: Request) -> Response:
    return Response(gzip.compress(b"x" * 1_000_000), headers={"content-encoding": "gzip"})


async def away(request: Request) -> Response:
    return RedirectResponse("/sized/1")


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    app = Starlette(routes=[Route("/sized/{size}", sized), Route("/packed", packed), Route("/away", away)])
    transport = ProviderTransport()
    with listen("127.0.0.1", 0) as listener:
        async with serving(app, listener):
            options = client_options(transport)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with httpx2.AsyncClient(base_url=url, **options) as http:  # type: ignore[arg-type]
                yield http
            await transport.close()


async def test_an_answer_may_be_so_long_and_no_longer(client: httpx2.AsyncClient) -> None:
    assert len((await client.get(f"/sized/{ANSWER_BYTES_MAX}")).content) == ANSWER_BYTES_MAX
    with pytest.raises(httpx2.ReadError):
        await client.get(f"/sized/{ANSWER_BYTES_MAX + 1}")


async def test_a_packed_answer_is_none(client: httpx2.AsyncClient) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        await client.get("/packed")


async def test_nobody_is_sent_on(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/away")).status_code == 307


async def test_a_client_that_is_done_takes_no_connection_of_the_others_along(client: httpx2.AsyncClient) -> None:
    transport = client._transport
    assert isinstance(transport, ProviderTransport)
    async with httpx2.AsyncClient(base_url=client.base_url, **client_options(transport)) as other:  # type: ignore[arg-type]
        await other.get("/sized/1")
    assert (await client.get("/sized/1")).status_code == 200


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://elsewhere.example/token", True),
        ("http://login.example/token", False),
        ("http://127.0.0.1:9000/token", False),
        ("https://a:b@login.example/token", False),
        ("ftp://login.example/", False),
        ("https:///token", False),
        ("http://[", False),
        ("https://login.example:65536/token", False),
        ("https://login.example:port/token", False),
        ("https://login example/token", False),
        ("https://login.example/to\tken", False),
        ("", False),
    ],
)
def test_an_issuer_with_tls_leads_nowhere_without(url: str, *, is_safe: bool) -> None:
    assert is_safe_address(url, "https://login.example") is is_safe


def test_an_issuer_on_this_machine_leads_to_this_machine() -> None:
    assert is_safe_address("http://localhost:9000/token", "http://127.0.0.1:9000")
    assert not is_safe_address("http://169.254.169.254/token", "http://127.0.0.1:9000")
