"""One's own API keys, over REST and on their page."""

import re
from typing import Any

import httpx2
import pytest

from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.api.site import Site
from tests.support.people import signed_in

OWN = {"origin": "http://127.0.0.1:8420"}


@pytest.fixture
async def user(client: httpx2.AsyncClient, postgres: Postgres) -> httpx2.AsyncClient:
    client.cookies.update((await signed_in(postgres, "fan")).cookies)
    client.headers.update(OWN)
    return client


async def test_a_key_is_made_used_listed_and_revoked(user: httpx2.AsyncClient, site: Site) -> None:
    made = await user.post("/api/me/keys", json={"name": "my program", "scopes": ["read"]})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    key, secret = made.json()["key"], made.json()["secret"]
    assert (key["name"], key["scopes"], key["lastUsedAt"]) == ("my program", ["read"], None)
    async with site.client() as program:
        program.headers["authorization"] = f"Bearer {secret}"
        assert (await program.get("/api/me/badges")).status_code == 200
        [listed] = (await user.get("/api/me/keys")).json()["items"]
        assert listed["lastUsedAt"] is not None
        assert listed | {"lastUsedAt": None} == key
        assert secret not in (await user.get("/me/keys")).text
        assert (await user.delete(f"/api/me/keys/{key['id']}")).status_code == 204
        assert (await program.get("/api/me/badges")).status_code == 401
    assert (await user.get("/api/me/keys")).json() == {"items": []}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"name": ""}, 400, "bad_request"),
        ({"name": "x" * 81}, 400, "bad_request"),
        ({"name": " "}, 400, "bad_request"),
        ({"scopes": []}, 400, "bad_request"),
        ({"scopes": ["everything"]}, 400, "bad_request"),
        ({"scopes": ["admin"]}, 403, "forbidden"),
    ],
)
async def test_what_is_no_key_is_refused(
    user: httpx2.AsyncClient, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = await user.post("/api/me/keys", json={"name": "my program", "scopes": ["read"], **changes})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await user.get("/api/me/keys")).json() == {"items": []}


async def test_the_same_request_makes_no_second_key(user: httpx2.AsyncClient) -> None:
    asked = {"name": "my program", "scopes": ["read"], "id": str(new_id())}
    statuses = [(await user.post("/api/me/keys", json=asked)).status_code for _ in range(2)]
    assert statuses == [201, 409]


async def test_anothers_key_and_none_look_the_same(user: httpx2.AsyncClient, site: Site, postgres: Postgres) -> None:
    made = (await user.post("/api/me/keys", json={"name": "my program", "scopes": ["read"]})).json()
    async with site.client() as other:
        other.cookies.update((await signed_in(postgres, "other")).cookies)
        other.headers.update(OWN)
        answers = [await other.delete(f"/api/me/keys/{one}") for one in (made["key"]["id"], new_id(), "x")]
    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {(404, "You have no such key.")}


async def test_the_page_shows_a_key_once(user: httpx2.AsyncClient) -> None:
    page = (await user.get("/me/keys")).text
    [key_id] = re.findall(r'name="id" value="([^"]+)"', page)
    assert 'name="scope-admin"' not in page
    form = {"name": "my <program>", "id": key_id, "scope-read": "on"}
    made = await user.post("/me/keys", data=form)
    assert made.status_code == 200
    [secret] = re.findall(r"tl_[\w-]{43}", made.text)
    assert "my &lt;program&gt;" in made.text
    again = await user.post("/me/keys", data=form)
    assert again.status_code == 409
    assert secret not in again.text
    assert "made already" in again.text
    revoked = await user.post("/me/keys/revoke", data={"id": key_id}, follow_redirects=False)
    assert (revoked.status_code, revoked.headers["location"]) == (303, "/me/keys")
    assert "You have no key so far" in (await user.get("/me/keys")).text


async def test_the_page_says_what_is_wrong_and_keeps_what_was_typed(user: httpx2.AsyncClient) -> None:
    answer = await user.post("/me/keys", data={"name": "my program", "id": str(new_id())})
    assert answer.status_code == 400
    assert "one scope at least" in answer.text
    assert 'value="my program"' in answer.text


async def test_a_visitor_is_told_whom_keys_belong_to(client: httpx2.AsyncClient) -> None:
    page = await client.get("/me/keys")
    assert page.status_code == 200
    assert "signed in" in page.text
    assert "<form" not in page.text.split("<main", 1)[1]
