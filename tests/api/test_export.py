"""All that is one's own in one file: complete, without tokens, and nobody else's."""

import json
from typing import Any

from server.auth.api_keys import ApiKeys
from server.auth.own_data import MESSAGES_AT_ONCE_MAX, OwnData
from server.auth.sessions import SessionLimits, Sessions
from server.domain.scopes import Scope
from server.storage.postgres import Postgres
from server.storage.tables.base import metadata
from tests.api.site import Site
from tests.api.test_deletion import a_supporter
from tests.api.test_sessions import browser_of
from tests.support.people import sign_in_again, signed_in
from tests.support.rows import Rows

SECTIONS = {"accounts", "sessions", "keys", "contributions", "transactions", "badges", "chats"}


async def test_a_user_gets_everything_and_no_token(site: Site, postgres: Postgres) -> None:
    person, _, chat_id = await a_supporter(postgres)
    await postgres.pool.execute("UPDATE account SET access_token = 'a token', refresh_token = 'another'")
    async with browser_of(site, person) as browser:
        answer = await browser.get("/api/me/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="tallylight-export.json"'
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, Any] = answer.json()
    assert set(found) == {"exportedAt", "kind", "profile", *SECTIONS}
    assert (found["kind"], found["profile"]["username"], found["profile"]["email"]) == (
        "user",
        "Mara_K",
        "Mara_K@example.org",
    )
    assert [account["providerAccountId"] for account in found["accounts"]] == ["mara-1"]
    assert [one["displayName"] for one in found["contributions"]] == ["Mara the Great"]
    assert [one["amount"] for one in found["transactions"]] == [300]
    assert found["badges"]
    assert [(chat["id"], chat["title"]) for chat in found["chats"]] == [(str(chat_id), "A secret question")]
    assert [one["content"] for one in found["chats"][0]["messages"]] == ["A secret question?", "A secret answer."]
    hashes = await postgres.pool.fetch(
        "SELECT encode(token_hash, 'hex') AS hex FROM session WHERE token_hash IS NOT NULL"
    )
    secrets = {person.token, "a token", "another", b"a token".hex(), *(row["hex"] for row in hashes)}
    assert not [secret for secret in secrets if secret in answer.text]


HELD_OTHERWISE = {
    "session_badge": "badges, of a visitor",
    "chat_member": "chats",
    "contributor": "the sums of transactions",
    "shared_chat": "has no routes so far",
    "configuration_setting": "what admins did for the site",
    "channel_boost": "what admins did for the site",
    "api_key": "keys",
}
SECTION_OF_TABLE = {"user_badge": "badges"}


def test_every_table_that_speaks_of_people_has_a_section() -> None:
    """A new table with somebody's rows is noticed here."""
    people = {"user", "session"}
    tables = {
        table.name
        for table in metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name in people and table.name not in HELD_OTHERWISE
    }
    assert {SECTION_OF_TABLE.get(name, f"{name}s") for name in tables} == SECTIONS - {"keys"}


async def test_a_key_is_told_with_what_it_may_do_and_its_session_is_no_session(site: Site, postgres: Postgres) -> None:
    person = await signed_in(postgres, "mara_k")
    key, secret = await ApiKeys(postgres).create("Mara's bot", [Scope.READ], owner_id=person.user_id)
    async with browser_of(site, person) as browser:
        answer = await browser.get("/api/me/export")
        found: dict[str, Any] = answer.json()
        assert [(one["id"], one["name"], one["scopes"]) for one in found["keys"]] == [
            (str(key.id), "Mara's bot", ["read"])
        ]
        assert [one["id"] for one in found["sessions"]] == [str(person.session_id)]
        assert secret not in answer.text
        assert (await browser.delete(f"/api/me/sessions/{key.session_id}")).status_code == 404  # it would go on
    assert await ApiKeys(postgres).find(secret) is not None


async def test_nobody_gets_what_is_somebody_else_s(site: Site, postgres: Postgres) -> None:
    await a_supporter(postgres)
    async with browser_of(site, await signed_in(postgres, "jonas")) as browser:
        found = (await browser.get("/api/me/export")).json()
        assert {name: len(found[name]) for name in SECTIONS} == {**dict.fromkeys(SECTIONS, 0), "sessions": 1}
    async with site.client() as stranger:
        assert (await stranger.get("/api/me/export")).status_code == 401


async def test_a_visitor_gets_what_this_session_has(site: Site, rows: Rows, postgres: Postgres) -> None:
    async with site.client() as browser:
        await browser.get("/")
        visitor = await Sessions(postgres, SessionLimits()).find(browser.cookies["tallylight_session"])
        assert visitor is not None
        channel_id = await rows.active_channel()
        await rows.transaction(channel_id, visitor, cents=300)
        await rows.chat(visitor, channel_id)
        await postgres.pool.execute(
            "INSERT INTO session_badge (id, session_id, badges) SELECT $1, $1, jsonb_build_array(jsonb_build_object("
            "'badgeId', id, 'channelId', NULL, 'earnedAt', now(), 'transactionId', NULL)) FROM badge LIMIT 1",
            visitor.session_id,
        )
        found = (await browser.get("/api/me/export")).json()
    assert found["profile"] is None
    counts = {"sessions": 1, "contributions": 1, "transactions": 1, "chats": 1, "badges": 1, "accounts": 0, "keys": 0}
    assert {name: len(found[name]) for name in SECTIONS} == counts


async def test_however_much_it_is_each_thing_is_there_once(rows: Rows, postgres: Postgres) -> None:
    person = await signed_in(postgres, "mara_k")
    channel_id = await rows.active_channel()
    for _ in range(5):
        await sign_in_again(postgres, person.user_id, "mara_k")
        await rows.transaction(channel_id, person.identity, cents=100)
        chat_id = await rows.chat(person.identity, channel_id)
    for seq in range(1, MESSAGES_AT_ONCE_MAX + 4, 2):
        await rows.turn(chat_id, seq, f'Question {seq} \\ " \u2028 🐙', "…")
    pieces = [piece async for piece in OwnData(postgres, rows_at_once=2).json_of(person.identity)]
    found = json.loads(b"".join(pieces))
    assert len(pieces) > 20
    for name, count in (("sessions", 6), ("contributions", 5), ("transactions", 5), ("chats", 5)):
        assert len({one["id"] for one in found[name]}) == len(found[name]) == count
    [messages] = [chat["messages"] for chat in found["chats"] if chat["id"] == str(chat_id)]
    assert [one["seq"] for one in messages] == list(range(1, len(messages) + 1))
    assert len(messages) == MESSAGES_AT_ONCE_MAX + 4
    assert messages[0]["content"] == 'Question 1 \\ " \u2028 🐙'
