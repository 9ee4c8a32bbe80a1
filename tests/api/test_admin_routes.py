"""What holds for every route that only admins may use: the matrix is made from the table."""

import httpx2
import pytest

from server.auth.api_keys import ApiKeys
from server.auth.cookies import LOOPBACK_NAME
from server.domain.users import UserRole
from server.storage.postgres import Postgres
from tests.api.site import Site
from tests.api.test_every_route import READS, methods_of
from tests.support.people import signed_in

Ask = list[tuple[str, str]]


@pytest.fixture
def asks(site: Site) -> Ask:
    """Every (method, path) below `/api/admin/`."""
    methods = methods_of(site.app().routes)
    return [(method, path) for path, allowed in methods.items() if path.startswith("/api/admin/") for method in allowed]


async def answers(client: httpx2.AsyncClient, asks: Ask, **headers: str) -> dict[tuple[str, str], tuple[int, str]]:
    """Status and code of each; a HEAD has no body to read a code from."""
    said = {}
    for method, path in asks:
        answer = await client.request(method, path, headers=headers, json=None if method in READS else {})
        said[method, path] = (answer.status_code, "" if method == "HEAD" else answer.json().get("code", ""))
    return said


def expected(asks: Ask, status: int, code: str) -> dict[tuple[str, str], tuple[int, str]]:
    return {(method, path): (status, "" if method == "HEAD" else code) for method, path in asks}


async def test_the_matrix_knows_the_table(asks: Ask) -> None:
    assert {("GET", "/api/admin/ledger/check")} < set(asks)
    assert any(path.endswith("/reversal") and method == "POST" for method, path in asks)


async def test_nobody_is_not_known(client: httpx2.AsyncClient, asks: Ask) -> None:
    assert await answers(client, asks, origin=str(client.base_url)) == expected(asks, 401, "unauthorized")


async def test_a_visitor_may_not(client: httpx2.AsyncClient, asks: Ask) -> None:
    assert (await client.get("/")).status_code == 200
    assert await answers(client, asks, origin=str(client.base_url)) == expected(asks, 403, "forbidden")


async def test_a_user_may_not(client: httpx2.AsyncClient, asks: Ask, postgres: Postgres) -> None:
    person = await signed_in(postgres, "mara_k")
    client.cookies.set(LOOPBACK_NAME, person.token)
    assert await answers(client, asks, origin=str(client.base_url)) == expected(asks, 403, "forbidden")


async def test_a_program_may_not(client: httpx2.AsyncClient, asks: Ask, postgres: Postgres) -> None:
    _, secret = await ApiKeys(postgres).create("of a test")
    assert await answers(client, asks, authorization=f"Bearer {secret}") == expected(asks, 403, "forbidden")


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://127.0.0.1:8421"])
async def test_no_other_page_changes_anything_with_an_admin_s_cookie(
    client: httpx2.AsyncClient, asks: Ask, postgres: Postgres, origin: str | None
) -> None:
    admin = await signed_in(postgres, "mara_k", UserRole.ADMIN)
    client.cookies.set(LOOPBACK_NAME, admin.token)
    writes = [(method, path) for method, path in asks if method not in READS]
    headers = {} if origin is None else {"origin": origin}
    assert await answers(client, writes, **headers) == expected(writes, 403, "forbidden")


async def test_an_admin_of_a_moment_ago_may_not(client: httpx2.AsyncClient, asks: Ask, postgres: Postgres) -> None:
    admin = await signed_in(postgres, "mara_k", UserRole.ADMIN)
    client.cookies.set(LOOPBACK_NAME, admin.token)
    assert (await client.get("/api/admin/ledger/check")).status_code == 200
    await postgres.pool.execute('UPDATE "user" SET role = $1', UserRole.USER)
    assert await answers(client, asks, origin=str(client.base_url)) == expected(asks, 403, "forbidden")
