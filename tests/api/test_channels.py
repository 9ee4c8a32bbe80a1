"""`/api/channels…` says what Postgres says, in the names and units of the documents."""

from typing import Any

import httpx2
import pytest

from server.api.deps import ModelState, ModelStatus
from tests.api.site import Site
from tests.support.rows import Rows

LIST = "/api/channels"


async def names(client: httpx2.AsyncClient, **query: str | int) -> list[str]:
    answer = await client.get(LIST, params=query)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


async def test_a_channel_has_its_figures_and_its_model(client: httpx2.AsyncClient, site: Site, rows: Rows) -> None:
    channel_id = await rows.active_channel("deep-sea-lab", credits_=41)
    site.model = ModelStatus("smollm2-135m", ModelState.WARMING, demo=True)
    answer = await client.get("/api/channels/deep-sea-lab")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    channel = answer.json()
    assert channel.pop("activatedAt").endswith("Z")
    assert channel.pop("createdAt").endswith("Z")
    assert channel == {
        "id": str(channel_id),
        "name": "deep-sea-lab",
        "title": "Deep Sea Lab",
        "description": "",
        "image": None,
        "subscriberCount": None,
        "videoCount": None,
        "viewCount": None,
        "status": "ACTIVE",
        "activationFunding": 1_000,
        "activationGoal": 1_000,
        "creditBalance": 41,
        "model": {"name": "smollm2-135m", "state": "warming", "demo": True},
    }


async def test_a_channel_is_found_by_id_too(client: httpx2.AsyncClient, rows: Rows) -> None:
    channel_id = await rows.channel("night-kitchen")
    by_id, by_name = await client.get(f"{LIST}/{channel_id}"), await client.get(f"{LIST}/Night-Kitchen")
    assert by_id.json() == by_name.json()
    assert by_id.json()["activatedAt"] is None


@pytest.mark.parametrize("name", ["absent", "%00", "a%20b", "019ab5f2-0000-7000-8000-000000000000", "x" * 2_000])
async def test_an_absent_channel_is_a_problem_404(client: httpx2.AsyncClient, rows: Rows, name: str) -> None:
    await rows.channel()
    answer = await client.get(f"{LIST}/{name}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_list_filters_and_sorts(client: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.channel("night-kitchen")
    await rows.active_channel("deep-sea-lab")
    assert await names(client) == ["deep-sea-lab", "night-kitchen"]
    assert await names(client, sort="-title") == ["night-kitchen", "deep-sea-lab"]
    assert await names(client, sort="createdAt") == ["night-kitchen", "deep-sea-lab"]
    assert await names(client, status="PENDING") == ["night-kitchen"]
    assert await names(client, q="sea LAB") == ["deep-sea-lab"]
    assert await names(client, q="nothing") == []


async def test_empty_fields_of_a_form_are_no_filters(client: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.channel("night-kitchen")
    answer = await client.get(f"{LIST}?status=&q=&cursor=&sort=")
    assert [item["name"] for item in answer.json()["items"]] == ["night-kitchen"]


async def test_cursors_walk_the_list_both_ways(client: httpx2.AsyncClient, rows: Rows) -> None:
    for letter in "abc":
        await rows.channel(letter)
    first = (await client.get(LIST, params={"limit": 2})).json()
    assert [item["name"] for item in first["items"]] == ["a", "b"]
    assert first["prevCursor"] is None
    second = (await client.get(LIST, params={"limit": 2, "cursor": first["nextCursor"]})).json()
    assert [item["name"] for item in second["items"]] == ["c"]
    assert second["nextCursor"] is None
    back = (await client.get(LIST, params={"limit": 2, "cursor": second["prevCursor"]})).json()
    assert back == first


async def cursor_of(client: httpx2.AsyncClient, rows: Rows) -> str:
    for letter in "ab":
        await rows.channel(letter)
    cursor: str = (await client.get(LIST, params={"limit": 1})).json()["nextCursor"]
    return cursor


@pytest.mark.parametrize("position", [0, 10, 25, -1])
async def test_a_cursor_with_one_other_letter_is_refused(client: httpx2.AsyncClient, rows: Rows, position: int) -> None:
    letters = list(await cursor_of(client, rows))
    letters[position] = "A" if letters[position] != "A" else "B"
    answer = await client.get(LIST, params={"limit": 1, "cursor": "".join(letters)})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "other", [{"sort": "-title"}, {"sort": "createdAt"}, {"status": "PENDING"}, {"q": "a"}], ids=str
)
async def test_a_cursor_of_another_list_is_refused(
    client: httpx2.AsyncClient, rows: Rows, other: dict[str, str]
) -> None:
    cursor = await cursor_of(client, rows)
    answer = await client.get(LIST, params={"limit": 1, "cursor": cursor, **other})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("cursor", ["x", "=", "é", "A" * 40, "A" * 1_024, "null"])
async def test_what_was_never_a_cursor_is_refused(client: httpx2.AsyncClient, cursor: str) -> None:
    answer = await client.get(LIST, params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=ten",
        "limit=1.5",
        "limit=-1",
        "status=active",
        "sort=name",
        "unknown=1",
        "limit=1&limit=2",
        "q=%00",
        "q=" + "x" * 101,
        "cursor=" + "A" * 1_025,
    ],
)
async def test_a_query_out_of_bounds_is_a_problem_400(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"{LIST}?{query}")
    problem: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["status"], problem["code"]) == (400, 400, "bad_request")
    assert problem["retry"] is False
    assert problem["detail"]
