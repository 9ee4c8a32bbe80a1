"""Transactions over REST: pages, filters, totals, and what nobody may learn from them."""

import base64
import hmac
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2
import msgspec
import pytest

from server.api.cursors import list_name_of
from server.domain.identity import Identity
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.api.site import CURSOR_SECRET, Site
from tests.support.rows import Rows

LIST = "/api/channels/deep-sea-lab/transactions"
SORTS = ("createdAt", "-createdAt", "amount", "-amount")


async def visitor(client: httpx2.AsyncClient, postgres: Postgres) -> Identity:
    """Who this browser is."""
    await client.get("/")
    row = await postgres.pool.fetchrow("SELECT id, user_id FROM session ORDER BY created_at DESC, id DESC LIMIT 1")
    assert row is not None
    return Identity(session_id=row["id"], user_id=row["user_id"])


async def take_back(postgres: Postgres, transaction_id: UUID) -> UUID:
    """A reversal of all of it, straight into the table."""
    reversal_id = new_id()
    await postgres.pool.execute(
        'INSERT INTO "transaction" (id, channel_id, user_id, session_id, amount_cents, type, status, credits,'
        " credits_per_dollar, contribution_id, provider, provider_reference, reverses_id)"
        " SELECT $1, channel_id, user_id, session_id, -amount_cents, type, 'REVERSAL', -credits, credits_per_dollar,"
        " contribution_id, provider, 'refund', id FROM \"transaction\" WHERE id = $2",
        reversal_id,
        transaction_id,
    )
    return reversal_id


async def write_at(postgres: Postgres, transaction_id: UUID, at: str) -> None:
    """As if it had been written then; the running totals with it."""
    async with postgres.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(
            'UPDATE "transaction" SET created_at = $2::text::timestamptz WHERE id = $1', transaction_id, at
        )
        await connection.execute("DELETE FROM transaction_total")
        await connection.execute(
            "INSERT INTO transaction_total SELECT channel_id, type, (created_at AT TIME ZONE 'UTC')::date, count(*),"
            ' sum(amount_cents), sum(credits) FROM "transaction" GROUP BY 1, 2, 3'
        )


async def walk(client: httpx2.AsyncClient, address: str) -> AsyncIterator[dict[str, Any]]:
    """Every page from the first one on."""
    cursor = ""
    while cursor is not None:
        page = (await client.get(f"{address}&cursor={cursor}")).json()
        yield page
        cursor = page["nextCursor"]


@pytest.fixture
async def channel_id(rows: Rows) -> UUID:
    return await rows.channel()


async def test_a_row_says_what_happened_and_not_who_it_was(
    client: httpx2.AsyncClient, rows: Rows, postgres: Postgres, channel_id: UUID
) -> None:
    user_id = await rows.user("mara_k")
    session = await rows.session(user_id=user_id)
    bought = await rows.transaction(channel_id, session, cents=500, credits_=50, display_name="Somebody")
    stranger = await rows.session()
    await rows.transaction(channel_id, stranger, cents=100)
    reversal = await take_back(postgres, bought)
    answer = await client.get(LIST)
    back, given, row = answer.json()["items"]
    assert row.pop("createdAt").endswith("Z")
    assert row == {
        "id": str(bought),
        "type": "CREDIT_PURCHASE",
        "status": "SETTLED",
        "amount": 500,
        "currency": "USD",
        "credits": 50,
        "name": "mara_k",
        "description": "",
        "reversesId": None,
    }
    assert (back["id"], back["status"], back["amount"], back["credits"]) == (str(reversal), "REVERSAL", -500, -50)
    assert (back["reversesId"], given["name"], given["amount"]) == (str(bought), None, 100)
    for secret in (user_id, session.session_id, stranger.session_id, "Real name", "example.org", "Somebody"):
        assert str(secret) not in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_totals_are_of_all_that_the_filters_leave(
    client: httpx2.AsyncClient, rows: Rows, postgres: Postgres, channel_id: UUID
) -> None:
    for cents, credits_ in ((300, 0), (500, 50), (700, 70)):
        latest = await rows.transaction(channel_id, await rows.session(), cents=cents, credits_=credits_)
    await take_back(postgres, latest)
    page = (await client.get(f"{LIST}?limit=1")).json()
    assert len(page["items"]) == 1
    assert page["totals"] == [
        {"type": "ACTIVATION", "count": 1, "amount": 300, "credits": 0},
        {"type": "CREDIT_PURCHASE", "count": 3, "amount": 500, "credits": 50},
    ]
    page = (await client.get(f"{LIST}?type=ACTIVATION")).json()
    assert page["totals"] == [{"type": "ACTIVATION", "count": 1, "amount": 300, "credits": 0}]
    assert [row["type"] for row in page["items"]] == ["ACTIVATION"]


async def test_both_ends_of_a_range_of_days_are_in_it(
    client: httpx2.AsyncClient, rows: Rows, postgres: Postgres, channel_id: UUID
) -> None:
    times = ("2026-02-28T23:59:59.999999Z", "2026-03-01T00:00:00Z", "2026-03-02T23:59:59.999999Z", "2026-03-03T00:00Z")
    for cents, at in enumerate(times, start=1):
        await write_at(postgres, await rows.transaction(channel_id, await rows.session(), cents=cents), at)
    for sort in SORTS:
        page = (await client.get(f"{LIST}?from=2026-03-01&to=2026-03-02&sort={sort}")).json()
        assert sorted(row["amount"] for row in page["items"]) == [2, 3], sort
        assert page["totals"][0] == {"type": "ACTIVATION", "count": 2, "amount": 5, "credits": 0}
    for query, amounts in (("from=2026-03-03", [4]), ("to=2026-02-28", [1]), ("to=9999-12-31", [4, 3, 2, 1])):
        assert [row["amount"] for row in (await client.get(f"{LIST}?{query}")).json()["items"]] == amounts


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("filters", ["", "&type=CREDIT_PURCHASE", "&from=2026-01-01&to=2026-12-31"])
async def test_a_walk_gives_every_row_once_in_order_and_the_same_way_back(
    client: httpx2.AsyncClient, rows: Rows, postgres: Postgres, sort: str, filters: str
) -> None:
    channel_id, session = await rows.channel(), await rows.session()
    for number in range(11):
        cents, credits_ = ((100, 0), (500, 50), (500, 50), (200, 20))[number % 4]
        made = await rows.transaction(channel_id, session, cents=cents, credits_=credits_)
        await write_at(postgres, made, f"2026-{1 + number % 5:02}-01T00:00:00Z")
    address = f"{LIST}?sort={sort}{filters}"
    whole = (await client.get(f"{address}&limit=100")).json()["items"]
    key = "amount" if "amount" in sort else "createdAt"
    assert [row[key] for row in whole] == sorted((row[key] for row in whole), reverse=sort.startswith("-"))
    pages = [page async for page in walk(client, f"{address}&limit=3")]
    assert [row for page in pages for row in page["items"]] == whole
    assert pages[0]["prevCursor"] is None
    cursor, earlier = pages[-1]["prevCursor"], list[Any]()
    while cursor is not None:
        page = (await client.get(f"{address}&limit=3&cursor={cursor}")).json()
        earlier[:0] = page["items"]
        cursor = page["prevCursor"]
    assert earlier == whole[: len(whole) - len(pages[-1]["items"])]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("from=2026-03-02&to=2026-03-01", "ends before it begins"),
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("type=GIFT", "type"),
        ("sort=name", "sort"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=AAAA", "cursor"),
        ("user=mara_k", "user"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, channel_id: UUID, query: str, says: str
) -> None:
    answer = await client.get(f"{LIST}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), channel_id
    assert says in answer.json()["detail"]


async def test_a_cursor_is_of_one_list_with_its_filters_and_its_sort(
    client: httpx2.AsyncClient, rows: Rows, channel_id: UUID
) -> None:
    other = await rows.channel("other")
    for target in (channel_id, channel_id, other, other):
        await rows.transaction(target, await rows.session(), cents=100)
    cursor = (await client.get(f"{LIST}?limit=1")).json()["nextCursor"]
    assert (await client.get(f"{LIST}?limit=1&cursor={cursor}")).status_code == 200
    altered = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for address in (
        f"{LIST}?cursor={altered}",
        f"{LIST}?cursor={cursor}x",
        f"{LIST}?sort=createdAt&cursor={cursor}",
        f"{LIST}?type=ACTIVATION&cursor={cursor}",
        f"{LIST}?from=2020-01-01&cursor={cursor}",
        f"/api/channels/other/transactions?cursor={cursor}",
        f"/api/channels/deep-sea-lab/contributors?cursor={cursor}",
    ):
        answer = await client.get(address)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), address
        assert answer.json()["detail"] == "The cursor does not belong to this list."


async def test_a_cursor_of_an_older_form_is_refused(client: httpx2.AsyncClient, channel_id: UUID) -> None:
    name = list_name_of("transactions", str(channel_id), "-createdAt", None, None, None)
    counted = len(name).to_bytes(4, "big") + name.encode()
    for payload in (b"", msgspec.msgpack.encode(["2026-11-28", "1"]), msgspec.msgpack.encode(["x", "y", False])):
        signature = hmac.digest(CURSOR_SECRET, counted + payload, "sha256")[:16]
        cursor = base64.urlsafe_b64encode(signature + payload).decode().rstrip("=")
        answer = await client.get(f"{LIST}?cursor={cursor}")
        assert (answer.status_code, answer.json()["detail"]) == (400, "The cursor does not belong to this list.")


async def test_a_channel_that_is_none_is_404(client: httpx2.AsyncClient) -> None:
    for path in ("transactions", "transactions.csv", "contributors"):
        assert (await client.get(f"/api/channels/absent/{path}")).json()["code"] == "not_found"


async def test_one_s_own_are_those_of_this_session_alone(
    client: httpx2.AsyncClient, rows: Rows, postgres: Postgres, channel_id: UUID
) -> None:
    me = await visitor(client, postgres)
    mine = await rows.transaction(channel_id, me, cents=500, credits_=50, display_name="Me")
    await rows.transaction(channel_id, await rows.session(), cents=700, credits_=70)
    page = (await client.get("/api/me/transactions")).json()
    (row,) = page["items"]
    assert (row["id"], row["name"], row["channel"]["name"]) == (str(mine), "Me", "deep-sea-lab")
    assert UUID(row["contributionId"])
    assert [total["amount"] for total in page["totals"]] == [0, 500]


async def test_a_user_s_own_are_those_of_every_session_and_from_before_the_sign_in(
    site: Site, rows: Rows, postgres: Postgres, channel_id: UUID
) -> None:
    other_id, user_id = await rows.channel("other"), await rows.user("mara_k")
    async with site.client() as browser:
        me = await visitor(browser, postgres)
        before = await rows.transaction(channel_id, me, cents=300)
        await postgres.pool.execute("UPDATE session SET user_id = $2 WHERE id = $1", me.session_id, user_id)
        for table in ("contribution", '"transaction"'):
            await postgres.pool.execute(f"UPDATE {table} SET user_id = $1", user_id)
        elsewhere = await rows.transaction(other_id, await rows.session(user_id=user_id), cents=500, credits_=50)
        ids = [row["id"] for row in (await browser.get("/api/me/transactions")).json()["items"]]
        assert ids == [str(elsewhere), str(before)]
        only = (await browser.get("/api/me/transactions?channel=Other&sort=amount")).json()
        assert [row["id"] for row in only["items"]] == [str(elsewhere)]
        given = (await browser.get("/api/me/contributions")).json()
        assert [(one["channel"]["name"], [t["amount"] for t in one["totals"]]) for one in given["items"]] == [
            ("other", [0, 500]),
            ("deep-sea-lab", [300, 0]),
        ]
        assert given["totals"] == [
            {"type": "ACTIVATION", "count": 1, "amount": 300, "credits": 0},
            {"type": "CREDIT_PURCHASE", "count": 1, "amount": 500, "credits": 50},
        ]


async def test_contributions_by_channel_are_paged(client: httpx2.AsyncClient, rows: Rows, postgres: Postgres) -> None:
    me = await visitor(client, postgres)
    for number in range(5):
        await rows.transaction(await rows.channel(f"channel-{number}"), me, cents=100)
    pages = [page async for page in walk(client, "/api/me/contributions?limit=2")]
    names = [one["channel"]["name"] for page in pages for one in page["items"]]
    assert names == [f"channel-{number}" for number in (4, 3, 2, 1, 0)]


async def test_another_s_cursor_is_foreign(site: Site, rows: Rows, postgres: Postgres, channel_id: UUID) -> None:
    async with site.client() as first, site.client() as second:
        me = await visitor(first, postgres)
        for _ in range(2):
            await rows.transaction(channel_id, me, cents=100)
        await visitor(second, postgres)
        cursor = (await first.get("/api/me/transactions?limit=1")).json()["nextCursor"]
        assert (await second.get(f"/api/me/transactions?limit=1&cursor={cursor}")).status_code == 400


async def test_nobody_has_no_own_transactions(client: httpx2.AsyncClient) -> None:
    for path in ("transactions", "transactions.csv", "contributions"):
        assert (await client.get(f"/api/me/{path}")).json()["code"] == "unauthorized"


async def test_contributors_are_paged_and_say_no_more_than_a_name(
    client: httpx2.AsyncClient, rows: Rows, postgres: Postgres, channel_id: UUID
) -> None:
    sessions = [await rows.session() for _ in range(5)]
    for number, session in enumerate(sessions):
        await rows.transaction(channel_id, session, cents=100, display_name=f"Fan {number}" if number else None)
    pages = [page async for page in walk(client, "/api/channels/deep-sea-lab/contributors?limit=2")]
    names = [one["name"] for page in pages for one in page["items"]]
    assert names == ["Fan 4", "Fan 3", "Fan 2", "Fan 1", None]
    first = pages[0]["items"][0]
    assert set(first) == {"name", "totals", "latestAt", "badges"}
    assert first["totals"][0] == {"type": "ACTIVATION", "count": 1, "amount": 100, "credits": 0}
