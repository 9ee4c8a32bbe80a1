"""Contributions over REST: what is asked, what is refused, and that a repetition is one contribution."""

from typing import Any

import httpx2
import pytest

from server.auth.api_keys import ApiKeys
from server.domain.errors import Code, Refusal
from server.domain.money import MAX_CONTRIBUTION_CENTS
from server.domain.settings import Settings
from server.ledger.contributions import settle
from server.storage.postgres import Postgres
from tests.api.site import PORT, Site
from tests.support.ids import ABSENT_ID
from tests.support.payments import PaperProvider
from tests.support.rows import Rows

ORIGIN = {"origin": f"http://127.0.0.1:{PORT}"}
PATH = "/api/channels/lab/contributions"


async def visit(client: httpx2.AsyncClient) -> None:
    await client.get("/")
    client.headers.update(ORIGIN)


@pytest.fixture
async def visitor(client: httpx2.AsyncClient, rows: Rows) -> httpx2.AsyncClient:
    """Somebody with a session, at a PENDING channel with a goal of $10."""
    await rows.channel("lab")
    await visit(client)
    return client


async def give(visitor: httpx2.AsyncClient, key: str = "key-0001", **fields: object) -> httpx2.Response:
    body = {"type": "ACTIVATION", "amount": 1_000} | fields
    return await visitor.post(PATH, json=body, headers={"idempotency-key": key})


async def count(rows: Rows) -> int:
    return int(await rows.postgres.pool.fetchval("SELECT count(*) FROM contribution"))


async def test_a_quote_says_what_an_amount_becomes(visitor: httpx2.AsyncClient, rows: Rows) -> None:
    answer = await visitor.post(f"{PATH}/quote", json={"type": "ACTIVATION", "amount": 1_550})
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "rows": [
                {"type": "ACTIVATION", "amount": 1_000, "credits": 0},
                {"type": "CREDIT_PURCHASE", "amount": 550, "credits": 55},
            ],
            "rate": 10,
        },
    )
    assert await count(rows) == 0


async def test_a_contribution_is_created_with_its_checkout(visitor: httpx2.AsyncClient) -> None:
    answer = await give(visitor, displayName="  Mara ")
    assert answer.status_code == 201
    made = answer.json()["contribution"]
    assert answer.headers["location"] == f"/api/contributions/{made['id']}"
    assert answer.json()["checkoutUrl"] == made["checkoutUrl"] == f"/checkout/{made['id']}"
    assert (made["status"], made["displayName"], made["rate"]) == ("PENDING", "Mara", 10)
    assert made["channel"] == {"name": "lab", "title": "Lab"}
    assert (made["transactions"], made["settledAt"]) == ([], None)
    assert (await visitor.get(answer.headers["location"])).json() == made


async def test_the_answer_is_kept_as_it_was(visitor: httpx2.AsyncClient, rows: Rows, postgres: Postgres) -> None:
    first = await give(visitor)
    await postgres.transact(lambda connection: settle(connection, first.json()["contribution"]["id"]))
    again = await give(visitor)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert await count(rows) == 1


async def test_the_same_key_for_another_amount_is_a_conflict(visitor: httpx2.AsyncClient, rows: Rows) -> None:
    await give(visitor)
    answer = await give(visitor, amount=500)
    assert (answer.status_code, answer.json()["code"], await count(rows)) == (409, "conflict", 1)


async def test_after_a_failure_of_the_provider_the_same_key_goes_on(
    site: Site, visitor: httpx2.AsyncClient, rows: Rows
) -> None:
    provider = site.provider
    assert isinstance(provider, PaperProvider)
    provider.failures.append(Refusal(Code.PROVIDER_ERROR, "The provider failed."))
    refused = await give(visitor)
    assert (refused.status_code, refused.json()["code"], refused.json()["retry"]) == (502, "provider_error", True)
    assert (await give(visitor)).status_code == 201
    assert await count(rows) == 1
    other = await give(visitor, "key-0002")
    assert (other.status_code, await count(rows)) == (201, 2)


async def test_after_a_failure_the_same_key_with_another_amount_is_a_conflict(
    site: Site, visitor: httpx2.AsyncClient
) -> None:
    provider = site.provider
    assert isinstance(provider, PaperProvider)
    provider.failures.append(Refusal(Code.PROVIDER_ERROR, "The provider failed."))
    await give(visitor)
    assert (await give(visitor, amount=500)).json()["code"] == "conflict"


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": 0},
        {"amount": -100},
        {"amount": 100.5},
        {"amount": "100"},
        {"amount": None},
        {"amount": True},
        {"amount": 99},
        {"amount": 100_001},
        {"amount": MAX_CONTRIBUTION_CENTS + 1},
        {"amount": 10**30},
        {"type": "GIFT"},
        {"type": None},
        {"extra": 1},
    ],
)
async def test_what_is_not_right_is_refused_and_nothing_is_written(
    visitor: httpx2.AsyncClient, rows: Rows, fields: dict[str, Any]
) -> None:
    quoted = await visitor.post(f"{PATH}/quote", json={"type": "ACTIVATION", "amount": 1_000} | fields)
    given = await give(visitor, **fields)
    for answer in (quoted, given):
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
        assert answer.headers["content-type"] == "application/problem+json"
    assert await count(rows) == 0


@pytest.mark.parametrize("name", ["a" * 41, "a\0b", "a\nb", "\u202eoof", 7])
async def test_a_bad_display_name_is_refused(visitor: httpx2.AsyncClient, rows: Rows, name: object) -> None:
    assert (await give(visitor, displayName=name)).json()["code"] == "bad_request"
    assert await count(rows) == 0


@pytest.mark.parametrize("cents", [100, 100_000])
async def test_the_bounds_themselves_are_allowed(visitor: httpx2.AsyncClient, cents: int) -> None:
    assert (await give(visitor, amount=cents)).status_code == 201


async def test_an_unknown_channel_is_not_found(visitor: httpx2.AsyncClient) -> None:
    for path in ("/api/channels/absent/contributions", "/api/channels/absent/contributions/quote"):
        answer = await visitor.post(
            path, json={"type": "ACTIVATION", "amount": 100}, headers={"idempotency-key": "key-0001"}
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_without_a_session_it_is_unauthorized(client: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.channel("lab")
    client.headers.update(ORIGIN)
    answers = [await give(client), await client.post(f"{PATH}/quote", json={"type": "ACTIVATION", "amount": 100})]
    answers.append(await client.get(f"/api/contributions/{ABSENT_ID}"))
    assert [answer.status_code for answer in answers] == [401, 401, 401]


@pytest.mark.parametrize("origin", [None, "null", "http://evil.test", f"https://127.0.0.1:{PORT}"])
async def test_another_origin_is_forbidden(visitor: httpx2.AsyncClient, rows: Rows, origin: str | None) -> None:
    del visitor.headers["origin"]
    if origin is not None:
        visitor.headers["origin"] = origin
    answers = [await give(visitor), await visitor.post(f"{PATH}/quote", json={"type": "ACTIVATION", "amount": 100})]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert await count(rows) == 0


@pytest.mark.parametrize(
    ("status", "type_", "code"),
    [
        ("INACTIVE", "ACTIVATION", "channel_inactive"),
        ("INACTIVE", "CREDIT_PURCHASE", "channel_inactive"),
        ("PENDING", "CREDIT_PURCHASE", "channel_pending"),
    ],
)
async def test_a_channel_that_takes_none_refuses(
    visitor: httpx2.AsyncClient, rows: Rows, status: str, type_: str, code: str
) -> None:
    await rows.postgres.pool.execute(
        "UPDATE channel SET status = $1, activated_at = CASE WHEN $1 <> 'PENDING' THEN clock_timestamp() END", status
    )
    answer = await give(visitor, type=type_)
    assert (answer.status_code, answer.json()["code"], await count(rows)) == (409, code, 0)


async def test_credits_before_the_air_can_be_allowed(site: Site, rows: Rows) -> None:
    await rows.channel("lab")
    site.settings = Settings(credits_allow_on_pending=True)
    async with site.client() as client:
        await visit(client)
        assert (await give(client, type="CREDIT_PURCHASE")).status_code == 201


async def test_an_activation_of_a_channel_on_air_is_quoted_as_credits(visitor: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.postgres.pool.execute("UPDATE channel SET status = 'ACTIVE', activated_at = clock_timestamp()")
    answer = await visitor.post(f"{PATH}/quote", json={"type": "ACTIVATION", "amount": 500})
    assert answer.json()["rows"] == [{"type": "CREDIT_PURCHASE", "amount": 500, "credits": 50}]


async def test_without_a_provider_it_is_unavailable(site: Site, rows: Rows) -> None:
    await rows.channel("lab")
    site.provider = None
    async with site.client() as client:
        await visit(client)
        answer = await give(client)
        assert (answer.status_code, answer.json()["code"], await count(rows)) == (503, "unavailable", 0)


async def test_somebody_elses_contribution_is_not_found(site: Site, visitor: httpx2.AsyncClient) -> None:
    location = (await give(visitor)).headers["location"]
    async with site.client() as stranger:
        await visit(stranger)
        for path in (location, f"/api/contributions/{ABSENT_ID}", "/api/contributions/1"):
            answer = await stranger.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_users_contribution_is_theirs_on_every_device(
    site: Site, visitor: httpx2.AsyncClient, rows: Rows
) -> None:
    made = (await give(visitor)).json()["contribution"]
    user_id = await rows.user("mara_k")
    await rows.postgres.pool.execute("UPDATE contribution SET user_id = $1", user_id)
    async with site.client() as other_device:
        await visit(other_device)
        assert (await other_device.get(f"/api/contributions/{made['id']}")).status_code == 404
        await rows.postgres.pool.execute("UPDATE session SET user_id = $1", user_id)
        assert (await other_device.get(f"/api/contributions/{made['id']}")).json() == made


async def test_what_it_became_stands_in_it(visitor: httpx2.AsyncClient, rows: Rows, postgres: Postgres) -> None:
    made = (await give(visitor, amount=1_600)).json()["contribution"]
    await postgres.transact(lambda connection: settle(connection, made["id"]))
    seen = (await visitor.get(f"/api/contributions/{made['id']}")).json()
    assert (seen["status"], seen["checkoutUrl"]) == ("SETTLED", None)
    assert [(part["type"], part["status"], part["amount"], part["credits"]) for part in seen["transactions"]] == [
        ("ACTIVATION", "SETTLED", 1_000, 0),
        ("CREDIT_PURCHASE", "SETTLED", 600, 60),
    ]


async def test_a_program_contributes_with_its_key_and_no_origin(client: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.channel("lab")
    _, key = await ApiKeys(rows.postgres).create("a program")
    answer = await client.post(
        PATH,
        json={"type": "ACTIVATION", "amount": 100},
        headers={"idempotency-key": "key-0001", "authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 201
