"""A gateway with the development sign-in, its database, and browsers that sign in."""

from collections.abc import AsyncIterator, Callable

import pytest

from server.storage.postgres import Postgres
from tests.sign_in.browsers import SigningBrowser
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.http_clients import http_client
from tests.support.rows import Rows

NewBrowser = Callable[[], SigningBrowser]


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Postgres]:
    opened = await Postgres.open(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
def rows(postgres: Postgres) -> Rows:
    return Rows(postgres)


@pytest.fixture
async def gateway(postgres_url: str, redis_url: str) -> AsyncIterator[LocalGateway]:
    async with local_gateway(postgres_url, redis_url) as running:
        yield running


@pytest.fixture
async def new_browser(gateway: LocalGateway) -> AsyncIterator[NewBrowser]:
    """Makes browsers, each with cookies of its own."""
    made: list[SigningBrowser] = []

    def make() -> SigningBrowser:
        made.append(SigningBrowser(http_client(gateway.url), gateway.url))
        return made[-1]

    yield make
    for browser in made:
        await browser.http.aclose()


@pytest.fixture
def browser(new_browser: NewBrowser) -> SigningBrowser:
    return new_browser()
