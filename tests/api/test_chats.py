"""`/api/chats…` shows a person their own chats, and nobody else's."""

import asyncio
from uuid import UUID

import httpx2
import pytest

from server.auth.sessions import Sessions
from server.domain.identity import Identity
from tests.api.site import LIMITS, Site
from tests.support.ids import ABSENT_ID
from tests.support.rows import Rows

ABSENT = {
    "title": "Not Found",
    "status": 404,
    "detail": "There is no such chat.",
    "code": "not_found",
    "retry": False,
}


@pytest.fixture
async def fan(client: httpx2.AsyncClient, site: Site) -> Identity:
    """The person whose cookie the client has."""
    identity, token = await Sessions(site.postgres, LIMITS).create_visitor()
    client.cookies.set("tallylight_session", token)
    return identity


async def listed(client: httpx2.AsyncClient, **query: str) -> list[str]:
    answer = await client.get("/api/chats", params=query)
    assert answer.status_code == 200, answer.text
    return [item["title"] for item in answer.json()["items"]]


async def test_a_chat_is_shown_in_the_spelling_of_rest(client: httpx2.AsyncClient, fan: Identity, rows: Rows) -> None:
    channel_id = await rows.active_channel()
    chat_id = await rows.chat(fan, channel_id, title="Who wins?")
    await rows.turn(chat_id, 1, "Who wins?", "The octopus.")
    chat = (await client.get(f"/api/chats/{chat_id}")).json()
    assert chat.pop("createdAt") < chat.pop("lastMessageAt")
    assert chat == {
        "id": str(chat_id),
        "channel": {"id": str(channel_id), "name": "deep-sea-lab", "title": "Deep Sea Lab"},
        "title": "Who wins?",
        "state": "OPEN",
        "creditState": "SPENT",
        "tokensUsed": 12,
        "tokenCap": 50_000,
    }


async def test_messages_come_newest_first_with_author_and_parent(
    client: httpx2.AsyncClient, fan: Identity, rows: Rows
) -> None:
    chat_id = await rows.chat(fan, await rows.active_channel())
    asked, answered = await rows.turn(chat_id, 1, "Who wins?", "The octopus.")
    answer = (await client.get(f"/api/chats/{chat_id}/messages")).json()
    times = [item.pop("createdAt") for item in answer["items"]]
    assert all(time.endswith("Z") for time in times)
    assert answer == {
        "items": [
            {
                "id": str(answered),
                "chatId": str(chat_id),
                "seq": 2,
                "type": "AI",
                "content": "The octopus.",
                "tokens": 5,
                "status": "DONE",
                "parentId": str(asked),
                "author": None,
                "model": "scripted",
            },
            {
                "id": str(asked),
                "chatId": str(chat_id),
                "seq": 1,
                "type": "USER",
                "content": "Who wins?",
                "tokens": 3,
                "status": "DONE",
                "parentId": None,
                "author": {"ref": 1, "name": "Fan 1", "me": True},
                "model": None,
            },
        ],
        "nextBefore": None,
    }


async def test_older_messages_are_reached_by_before(client: httpx2.AsyncClient, fan: Identity, rows: Rows) -> None:
    chat_id = await rows.chat(fan, await rows.active_channel())
    for seq in (1, 3, 5):
        await rows.turn(chat_id, seq, f"question {seq}", f"answer {seq}")
    seen, before = [], None
    while True:
        query = {"limit": "4", **({"before": before} if before else {})}
        page = (await client.get(f"/api/chats/{chat_id}/messages", params=query)).json()
        seen += [item["seq"] for item in page["items"]]
        before = page["nextBefore"]
        if before is None:
            break
    assert seen == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("before", [ABSENT_ID, "x", "1"])
async def test_before_must_be_a_message_of_the_chat(
    client: httpx2.AsyncClient, fan: Identity, rows: Rows, before: str
) -> None:
    chat_id = await rows.chat(fan, await rows.active_channel())
    answer = await client.get(f"/api/chats/{chat_id}/messages", params={"before": before})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_before_may_not_be_a_message_of_another_chat(
    client: httpx2.AsyncClient, fan: Identity, rows: Rows
) -> None:
    channel_id = await rows.active_channel()
    mine, other = await rows.chat(fan, channel_id), await rows.chat(fan, channel_id)
    asked, _ = await rows.turn(other, 1, "q", "a")
    answer = await client.get(f"/api/chats/{mine}/messages", params={"before": str(asked)})
    assert answer.status_code == 400


async def test_the_list_has_chats_with_messages_newest_first(
    client: httpx2.AsyncClient, fan: Identity, rows: Rows
) -> None:
    channel_id = await rows.active_channel()
    first, second, _empty = [await rows.chat(fan, channel_id, title=title) for title in ("first", "second", "empty")]
    await rows.turn(second, 1, "q", "a")
    await rows.turn(first, 1, "q", "a")
    assert await listed(client) == ["first", "second"]
    await rows.turn(second, 3, "q", "a")
    assert await listed(client) == ["second", "first"]


async def test_the_list_is_filtered_by_channel_and_by_what_was_said(
    client: httpx2.AsyncClient, fan: Identity, rows: Rows
) -> None:
    lab, kitchen = await rows.active_channel("deep-sea-lab"), await rows.active_channel("night-kitchen")
    for channel_id, title, answer in ((lab, "Squid", "It is 9% ink."), (kitchen, "Soup", "Onions."), (lab, "X", "Y")):
        await rows.turn(await rows.chat(fan, channel_id, title=title), 1, title, answer)
    assert await listed(client, channel="night-kitchen") == ["Soup"]
    assert await listed(client, channel=str(lab)) == ["X", "Squid"]
    assert await listed(client, q="SQUID") == ["Squid"]
    assert await listed(client, q="9% INK") == ["Squid"]
    assert await listed(client, q="%") == ["Squid"]
    assert await listed(client, q="onions", channel="deep-sea-lab") == []
    absent = await client.get("/api/chats", params={"channel": "absent"})
    assert (absent.status_code, absent.json()["code"]) == (404, "not_found")


async def test_the_list_is_paged(client: httpx2.AsyncClient, fan: Identity, rows: Rows) -> None:
    channel_id = await rows.active_channel()
    for number in range(3):
        await rows.turn(await rows.chat(fan, channel_id, title=str(number)), 1, "q", "a")
    first = (await client.get("/api/chats", params={"limit": 2})).json()
    rest = (await client.get("/api/chats", params={"limit": 2, "cursor": first["nextCursor"]})).json()
    assert [item["title"] for item in first["items"] + rest["items"]] == ["2", "1", "0"]
    forged = await client.get("/api/chats", params={"limit": 2, "cursor": first["nextCursor"][:-1]})
    assert (forged.status_code, forged.json()["code"]) == (400, "bad_request")


async def test_a_cursor_of_another_person_shows_nothing_of_theirs(
    client: httpx2.AsyncClient, fan: Identity, rows: Rows, site: Site
) -> None:
    channel_id = await rows.active_channel()
    for _ in range(2):
        await rows.turn(await rows.chat(fan, channel_id), 1, "q", "a")
    cursor = (await client.get("/api/chats", params={"limit": 1})).json()["nextCursor"]
    _, token = await Sessions(site.postgres, LIMITS).create_visitor()
    client.cookies.set("tallylight_session", token)
    answer = await client.get("/api/chats", params={"limit": 1, "cursor": cursor})
    assert answer.json()["items"] == []


@pytest.mark.parametrize("path", ["/api/chats", "/api/chats/{chat}", "/api/chats/{chat}/messages"])
@pytest.mark.parametrize("cookie", [None, "x", "A" * 43])
async def test_without_a_live_session_every_read_is_401(
    client: httpx2.AsyncClient, rows: Rows, path: str, cookie: str | None
) -> None:
    chat_id = await rows.chat(await rows.session(), await rows.active_channel())
    if cookie is not None:
        client.cookies.set("tallylight_session", cookie)
    answer = await client.get(path.format(chat=chat_id))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert "set-cookie" not in answer.headers


async def others_chat(rows: Rows, how: str, me: Identity) -> UUID | str:
    """A chat id that must look absent to this person."""
    channel_id = await rows.active_channel()
    match how:
        case "foreign":
            owner = await rows.session()
        case "claimed by a user":
            owner = await rows.session(user_id=await rows.user("mara_k"))
        case "my session, another user":
            owner = Identity(session_id=me.session_id, user_id=await rows.user("mara_k"))
        case "deleted":
            owner = me
        case _:
            return how
    chat_id = await rows.chat(owner, channel_id)
    await rows.turn(chat_id, 1, "secret", "secret")
    if how == "deleted":
        await rows.postgres.pool.execute("UPDATE chat SET deleted_at = clock_timestamp()")
    return chat_id


@pytest.mark.parametrize("path", ["/api/chats/{chat}", "/api/chats/{chat}/messages"])
@pytest.mark.parametrize(
    "how",
    ["foreign", "claimed by a user", "my session, another user", "deleted", ABSENT_ID, "x", "0", "..%00"],
)
async def test_absent_and_foreign_are_the_same_404(
    client: httpx2.AsyncClient, fan: Identity, rows: Rows, path: str, how: str
) -> None:
    chat_id = await others_chat(rows, how, fan)
    answer = await client.get(path.format(chat=chat_id))
    assert (answer.status_code, answer.json()) == (404, ABSENT)
    assert await listed(client) == []


async def test_a_user_sees_chats_of_every_device_and_unclaimed_ones_of_this_session(
    client: httpx2.AsyncClient, fan: Identity, rows: Rows, site: Site
) -> None:
    channel_id, user_id = await rows.active_channel(), await rows.user("mara_k")
    await site.postgres.pool.execute("UPDATE session SET user_id = $1 WHERE id = $2", user_id, fan.session_id)
    phone = await rows.session(user_id=user_id)
    for owner, title in ((fan, "unclaimed"), (phone, "phone")):
        await rows.turn(await rows.chat(owner, channel_id, title=title), 1, "q", "a")
    assert await listed(client) == ["phone", "unclaimed"]
    chat_id = (await client.get("/api/chats")).json()["items"][0]["id"]
    asked = (await client.get(f"/api/chats/{chat_id}/messages")).json()["items"][1]
    assert asked["author"] == {"ref": 1, "name": "mara_k", "me": True}


async def test_many_readers_at_once_are_all_answered(client: httpx2.AsyncClient, fan: Identity, rows: Rows) -> None:
    chat_id = await rows.chat(fan, await rows.active_channel())
    answers = await asyncio.gather(*(client.get(f"/api/chats/{chat_id}") for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
