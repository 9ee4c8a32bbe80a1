"""`GET /api/admin/ledger/check`: the whole ledger derived anew, for an admin."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest

from server.auth.cookies import LOOPBACK_NAME
from server.domain.users import UserRole
from server.storage.postgres import Postgres
from server.storage.redis import Redis
from tests.api.site import Site
from tests.ledger.books import Books
from tests.ledger.test_charging import wait_for_a_lock
from tests.support.patient_redis import PATIENT_REDIS
from tests.support.people import signed_in
from tests.support.rows import Rows

PATH = "/api/admin/ledger/check"


@pytest.fixture
async def site(postgres: Postgres, redis_url: str) -> AsyncIterator[Site]:
    redis = Redis.open(redis_url, PATIENT_REDIS)
    yield Site(postgres, redis)
    await redis.close()


@pytest.fixture
async def admin(client: httpx2.AsyncClient, postgres: Postgres) -> httpx2.AsyncClient:
    client.cookies.set(LOOPBACK_NAME, (await signed_in(postgres, "the_admin", UserRole.ADMIN)).token)
    return client


async def test_a_right_ledger_is_clean_and_counted(admin: httpx2.AsyncClient, postgres: Postgres) -> None:
    await Books(postgres).charged_chat(await Books(postgres).channel(credits_=5))
    answer = await admin.get(PATH)
    assert answer.status_code == 200
    assert answer.json() == {
        "clean": True,
        "cut": False,
        "channels": 1,
        "entries": 2,
        "chats": 1,
        "contributions": 1,
        "findings": [],
        "differences": [],
    }


async def test_what_is_wrong_is_named_and_the_answer_is_200_all_the_same(
    admin: httpx2.AsyncClient, postgres: Postgres, rows: Rows
) -> None:
    rows.plant()
    channel_id = await Books(postgres).channel()
    await postgres.pool.execute("UPDATE channel SET credit_balance = 7")
    answer = await admin.get(PATH)
    report = answer.json()
    assert (answer.status_code, report["clean"]) == (200, False)
    [finding] = report["findings"]
    assert (finding["invariant"], finding["subject"]) == ("S2", f"channel channel-{channel_id}")
    assert "7" in finding["problem"]


async def test_without_redis_the_differences_are_not_known(postgres: Postgres) -> None:
    async with Site(postgres).client() as admin:
        admin.cookies.set(LOOPBACK_NAME, (await signed_in(postgres, "the_admin", UserRole.ADMIN)).token)
        await Books(postgres).channel()
        assert (await admin.get(PATH)).json()["differences"] is None


async def test_a_second_check_meanwhile_is_told_to_come_back(admin: httpx2.AsyncClient, postgres: Postgres) -> None:
    async with postgres.pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE credit_entry IN ACCESS EXCLUSIVE MODE")
        first = asyncio.create_task(admin.get(PATH))
        await wait_for_a_lock(postgres)
        second = await admin.get(PATH)
    assert (second.status_code, second.json()["code"], second.json()["retry"]) == (409, "busy", True)
    assert int(second.headers["retry-after"]) >= 1
    assert (await first).status_code == 200
    assert (await admin.get(PATH)).status_code == 200
