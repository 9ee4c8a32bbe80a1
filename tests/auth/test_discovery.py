"""How often an issuer is asked what it says of itself, and how long that is believed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.auth.providers.discovery import FAILED_SECONDS, KEPT_SECONDS, PATH, Discovery
from server.auth.providers.provider import ProviderFailure, Trouble
from server.auth.providers.transport import ProviderTransport
from server.serving import listen
from tests.support.servers import serving


@dataclass
class Issuer:
    """One that counts, and a clock of whoever asks."""

    url: str
    seconds: float = 1_000.0
    status: int = 200
    asked: int = 0
    changed: dict[str, object] = field(default_factory=dict)

    async def answer(self, request: Request) -> Response:
        self.asked += 1
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        said = {"issuer": self.url, **{name: f"{self.url}/{name}" for name in names}, **self.changed}
        return JSONResponse(said, self.status)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    with listen("127.0.0.1", 0) as listener:
        made = Issuer(f"http://127.0.0.1:{listener.getsockname()[1]}")
        async with serving(Starlette(routes=[Route(PATH, made.answer)]), listener):
            yield made


@pytest.fixture
async def discovery(issuer: Issuer) -> AsyncIterator[Discovery]:
    transport = ProviderTransport()
    yield Discovery(issuer.url, transport, now=lambda: issuer.seconds)
    await transport.close()


async def test_many_who_wait_ask_once(discovery: Discovery, issuer: Issuer) -> None:
    found = await asyncio.gather(*(discovery.read() for _ in range(5)))
    assert all(one is found[0] for one in found)
    assert issuer.asked == 1


@pytest.mark.parametrize(("later_seconds", "asked"), [(KEPT_SECONDS - 1, 1), (KEPT_SECONDS, 2)])
async def test_what_it_said_is_believed_for_an_hour(
    discovery: Discovery, issuer: Issuer, later_seconds: float, asked: int
) -> None:
    before = await discovery.read()
    issuer.seconds += later_seconds
    assert (await discovery.read() is before) is (asked == 1)
    assert issuer.asked == asked


@pytest.mark.parametrize(("later_seconds", "asked"), [(FAILED_SECONDS * 0.9, 1), (FAILED_SECONDS, 2)])
async def test_one_that_failed_is_left_alone_for_a_second(
    discovery: Discovery, issuer: Issuer, later_seconds: float, asked: int
) -> None:
    issuer.status = 503
    for seconds in (0.0, later_seconds):
        issuer.seconds += seconds
        with pytest.raises(ProviderFailure) as failure:
            await discovery.read()
        assert failure.value.trouble is Trouble.UNREACHABLE
    assert issuer.asked == asked


async def test_one_that_is_back_is_believed_again(discovery: Discovery, issuer: Issuer) -> None:
    issuer.changed = {"issuer": "https://another.example"}
    with pytest.raises(ProviderFailure) as failure:
        await discovery.read()
    assert failure.value.trouble is Trouble.UNTRUSTED
    issuer.changed = {}
    issuer.seconds += FAILED_SECONDS
    assert (await discovery.read()).token_endpoint == f"{issuer.url}/token_endpoint"
