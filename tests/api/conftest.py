"""A connected database for every test of this room, and rows to begin with."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from server.storage.postgres import Postgres
from tests.api.site import Site
from tests.support.rows import Rows


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Postgres]:
    """The test's database; its books are checked at the end, unless the test has written past them."""
    opened = await Postgres.open(postgres_url)
    yield opened
    await opened.close()
    await Rows.check_ledger(opened)


@pytest.fixture
def rows(postgres: Postgres) -> Rows:
    return Rows(postgres)


@pytest.fixture
def site(postgres: Postgres) -> Site:
    return Site(postgres)


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with site.client() as browser:
        yield browser
