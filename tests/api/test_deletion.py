"""An account, deleted: the person is gone, the books are as they were, and races leave nothing behind."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from server.auth.api_keys import ApiKeys
from server.auth.deletion import delete_user
from server.auth.sessions import SessionLimits, Sessions
from server.domain.errors import Code, Refusal
from server.domain.transactions import TransactionType
from server.ledger.audit import check
from server.ledger.contributions import NewContribution, begin, settle
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.api.site import Site
from tests.api.test_sessions import browser_of
from tests.ledger.books import Books
from tests.support.people import Person, signed_in
from tests.support.rows import Rows
from tests.support.waiting import eventually

ROUNDS = 20
PURCHASE = TransactionType.CREDIT_PURCHASE


async def a_supporter(postgres: Postgres) -> tuple[Person, UUID, UUID]:
    """A user who gave, chatted and holds a badge; the channel, and the chat."""
    books, rows = Books(postgres), Rows(postgres)
    person = await signed_in(postgres, "Mara_K")
    channel_id = await books.channel(5)
    paid = await books.contribution(channel_id, PURCHASE, 300, session_id=person.session_id)
    await postgres.transact(lambda conn: settle(conn, paid.id))
    await postgres.pool.execute("UPDATE contribution SET display_name = 'Mara the Great' WHERE id = $1", paid.id)
    chat_id = await rows.chat(person.identity, channel_id, title="A secret question")
    await rows.turn(chat_id, 1, "A secret question?", "A secret answer.")
    await postgres.pool.execute(
        "INSERT INTO account (id, user_id, type, provider, provider_account_id)"
        " VALUES ($1, $2, 'oauth', 'provider', 'mara-1')",
        new_id(),
        person.user_id,
    )
    return person, channel_id, chat_id


async def give_over_http(site: Site, person: Person, channel: str) -> None:
    """One more contribution, as a program gives it: the answer is kept for a day, should the request come again."""
    wish = {"type": PURCHASE, "amount": 500, "displayName": "Mara the Great"}
    async with browser_of(site, person) as browser:
        path, key = f"/api/channels/{channel}/contributions", {"idempotency-key": "give-0001"}
        assert (await browser.post(path, json=wish, headers=key)).json()["contribution"]["displayName"] is not None


def stands_in(text: str, *words: str) -> bool:
    """Whether one of them is there, as text or in binary."""
    return any(word in text or word.encode().hex() in text for word in words)


async def everything(postgres: Postgres) -> str:
    """All that the tables hold, as text; what is binary in hexadecimal."""
    tables = await postgres.pool.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    texts: list[str] = []
    for row in tables:
        texts += [one["text"] for one in await postgres.pool.fetch(f'SELECT t::text AS text FROM "{row[0]}" t')]
    return "\n".join(texts).lower()


async def assert_clean_books(postgres: Postgres) -> None:
    report = await check(postgres)
    assert not report.findings, report.findings


async def test_the_person_is_gone_and_what_was_given_stays(site: Site, postgres: Postgres) -> None:
    person, channel_id, chat_id = await a_supporter(postgres)
    before: Any = await postgres.pool.fetchrow(
        "SELECT credit_balance, ledger_version FROM channel WHERE id = $1", channel_id
    )
    name = await postgres.pool.fetchval("SELECT name FROM channel")
    await give_over_http(site, person, name)
    assert stands_in(await everything(postgres), b"Mara the Great".hex())
    assert await postgres.pool.fetchval("SELECT count(*) FROM user_badge") > 0
    async with browser_of(site, person) as browser:
        assert (await browser.request("DELETE", "/api/me", json={"username": "mara_k"})).status_code == 204
        assert (await browser.get("/api/me")).status_code == 401
    left = (await everything(postgres)).splitlines()
    assert not [row for row in left if stands_in(row, "mara", "Mara", "secret", "example.org")]
    assert await postgres.pool.fetchval("SELECT count(*) FROM user_badge") == 0
    assert await postgres.pool.fetchval("SELECT count(*) FROM message WHERE chat_id = $1", chat_id) == 0
    assert (
        await postgres.pool.fetchrow("SELECT credit_balance, ledger_version FROM channel WHERE id = $1", channel_id)
        == before
    )
    assert await postgres.pool.fetchval('SELECT erased_at IS NOT NULL FROM "user"')
    await assert_clean_books(postgres)
    async with site.client() as stranger:
        givers = (await stranger.get(f"/api/channels/{name}/contributors")).json()["items"]
        assert [one["name"] for one in givers] == [None, None]  # and who put the channel on air
        assert "Anonymous supporter" in (await stranger.get(f"/c/{name}")).text
        assert (await stranger.get("/u/mara_k")).status_code == 404


async def test_a_new_sign_in_is_a_new_user_who_may_have_the_same_name(site: Site, postgres: Postgres) -> None:
    person, *_ = await a_supporter(postgres)
    await delete_user(postgres, person.user_id, "MARA_K")
    with pytest.raises(Refusal) as refused:
        await Sessions(postgres, SessionLimits()).sign_in(None, person.user_id)
    assert refused.value.code is Code.NOT_FOUND
    again = await signed_in(postgres, "mara_k")
    async with browser_of(site, again) as browser:
        assert (await browser.get("/api/me/contributions")).json()["items"] == []
        assert (await browser.get("/api/chats")).json()["items"] == []


@pytest.mark.parametrize("typed", ["jonas", "", None, "mara_k2"])
async def test_another_word_than_the_username_deletes_nothing(
    site: Site, postgres: Postgres, typed: str | None
) -> None:
    person, *_ = await a_supporter(postgres)
    before = await everything(postgres)
    async with browser_of(site, person) as browser:
        assert (await browser.request("DELETE", "/api/me", json={"username": typed})).status_code == 400
        page = await browser.post("/me/delete", data={"username": typed or ""})
        assert (page.status_code, "Nothing was deleted." in page.text) == (400, True)
    assert await everything(postgres) == before


async def test_the_page_deletes_and_begins_a_visitors_session(site: Site, postgres: Postgres) -> None:
    person, *_ = await a_supporter(postgres)
    async with browser_of(site, person) as browser:
        assert "Type your username, Mara_K" in (await browser.get("/me/delete")).text
        done = await browser.post("/me/delete", data={"username": " mara_k "})
        assert (done.status_code, done.headers["location"], len(done.cookies)) == (303, "/", 1)
    await delete_user(postgres, person.user_id, "mara_k")  # once is as good as twice
    await assert_clean_books(postgres)


async def test_who_has_chosen_no_username_confirms_without_one(site: Site, postgres: Postgres) -> None:
    person = await signed_in(postgres, "mara_k")
    await postgres.pool.execute('UPDATE "user" SET username = NULL')
    async with browser_of(site, person) as browser:
        assert (await browser.request("DELETE", "/api/me", json={"username": None})).status_code == 204
    assert await postgres.pool.fetchval('SELECT deleted_at IS NOT NULL FROM "user"')


async def test_only_a_user_is_deleted(site: Site, postgres: Postgres) -> None:
    _, secret = await ApiKeys(postgres).create("a bot")
    async with site.client() as browser:
        await browser.get("/")
        browser.headers["origin"] = site.public_urls[0]
        assert (await browser.request("DELETE", "/api/me", json={"username": None})).status_code == 403
        browser.headers["authorization"] = f"Bearer {secret}"
        assert (await browser.request("DELETE", "/api/me", json={"username": None})).status_code == 403


async def test_what_settles_afterwards_counts_and_earns_nothing(postgres: Postgres) -> None:
    person, channel_id, _ = await a_supporter(postgres)
    late = await Books(postgres).contribution(channel_id, PURCHASE, 500, session_id=person.session_id)
    await delete_user(postgres, person.user_id, "mara_k")
    settled = await postgres.transact(lambda conn: settle(conn, late.id))
    assert settled is not None
    assert await postgres.pool.fetchval("SELECT count(*) FROM user_badge") == 0
    await assert_clean_books(postgres)


async def test_nothing_of_the_user_begins_afterwards(postgres: Postgres) -> None:
    person, channel_id, _ = await a_supporter(postgres)
    await delete_user(postgres, person.user_id, "mara_k")
    new = NewContribution(new_id(), channel_id, person.session_id, PURCHASE, 100, 10, "sandbox", display_name="Mara")
    with pytest.raises(Refusal) as refused:
        await postgres.transact(lambda conn: begin(conn, new))
    assert refused.value.code is Code.UNAUTHORIZED


async def test_deletion_against_a_sign_in_leaves_nobody_signed_in(postgres: Postgres) -> None:
    sessions = Sessions(postgres, SessionLimits())
    for number in range(ROUNDS):
        person = await signed_in(postgres, f"mara-{number}")
        visitor, old = await sessions.create_visitor()
        gone, came = await asyncio.gather(
            delete_user(postgres, person.user_id, f"mara-{number}"),
            sessions.sign_in(visitor.session_id, person.user_id),
            return_exceptions=True,
        )
        assert gone is None
        if isinstance(came, BaseException):
            assert isinstance(came, Refusal)
            assert came.code in {Code.NOT_FOUND, Code.UNAVAILABLE}
        else:
            assert await sessions.find(came.token) is None
        live = "SELECT count(*) FROM session WHERE user_id = $1 AND token_hash IS NOT NULL"
        assert await postgres.pool.fetchval(live, person.user_id) == 0
        assert await sessions.find(old) in (None, visitor)


async def test_deletion_against_a_settling_contribution_keeps_the_books_and_no_badge(postgres: Postgres) -> None:
    books = Books(postgres)
    channel_id = await books.channel()
    for number in range(ROUNDS):
        person = await signed_in(postgres, f"mara-{number}")
        paid = await books.contribution(channel_id, PURCHASE, 300, session_id=person.session_id)
        settled, _ = await asyncio.gather(
            postgres.transact(lambda conn, paid=paid: settle(conn, paid.id)),  # type: ignore[misc]
            delete_user(postgres, person.user_id, f"mara-{number}"),
        )
        assert settled is not None
    assert await postgres.pool.fetchval("SELECT count(*) FROM user_badge") == 0
    assert await postgres.pool.fetchval('SELECT count(*) FROM "transaction" WHERE type = $1', PURCHASE) == ROUNDS
    await assert_clean_books(postgres)


async def test_sessions_are_locked_in_the_order_of_their_ids(postgres: Postgres) -> None:
    """As everywhere: whoever has the first one may take the second while a deletion waits; else both would wait."""
    person = await signed_in(postgres, "mara_k")
    first, second = new_id(), new_id()
    for session_id in (second, first):  # in the table they stand the other way round
        await postgres.pool.execute(
            "INSERT INTO session (id, user_id, token_hash, expires_at)"
            " VALUES ($1, $2, sha256($1::uuid::text::bytea), clock_timestamp() + '1 h')",
            session_id,
            person.user_id,
        )
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.TaskGroup() as group, postgres.pool.acquire() as other, other.transaction():
        await other.execute("SELECT 1 FROM session WHERE id = $1 FOR UPDATE", first)
        group.create_task(delete_user(postgres, person.user_id, "mara_k"))

        async def is_waiting() -> bool:
            return bool(await postgres.pool.fetchval(waiting) == 1)

        await eventually(is_waiting, deadline_seconds=1.5)
        await other.execute("SELECT 1 FROM session WHERE id = $1 FOR UPDATE NOWAIT", second)
    assert await postgres.pool.fetchval("SELECT count(*) FROM session WHERE token_hash IS NOT NULL") == 0


async def test_a_key_of_a_deleted_user_is_revoked(postgres: Postgres) -> None:
    person = await signed_in(postgres, "mara_k")
    key, secret = await ApiKeys(postgres).create("Mara's bot")
    await postgres.pool.execute("UPDATE session SET user_id = $2 WHERE id = $1", key.session_id, person.user_id)
    await delete_user(postgres, person.user_id, "mara_k")
    assert await ApiKeys(postgres).find(secret) is None
    assert "bot" not in await everything(postgres)
