"""API keys: in the table, over REST, and on the socket of a real gateway."""

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from server.auth.api_keys import ApiKeys
from server.auth.sessions import SessionLimits, Sessions
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity, IdentityKind
from server.domain.scopes import DEFAULT_SCOPES
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.http_clients import http_client
from tests.support.raw_socket import RawSocket
from tests.support.world import World, made_world

ASK = json.dumps({"t": "send", "rid": 3, "k": 1, "idem": "idem-0001", "text": "Hello [[tokens=5]]"})


@pytest.fixture
def keys(postgres: Postgres) -> ApiKeys:
    return ApiKeys(postgres)


@pytest.fixture
async def world(postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    async with made_world(postgres_url, redis_url) as made:
        yield made


@pytest.fixture
async def gateway(postgres_url: str, redis_url: str, world: World) -> AsyncIterator[LocalGateway]:
    settings = {"chat.visitor_chats_per_day": "1", "chat.visitors_allowed": "false", "ws.sockets_per_address": "1"}
    async with local_gateway(postgres_url, redis_url, settings=settings) as running:
        yield running


async def test_a_key_has_256_bits_and_the_table_its_digest_alone(keys: ApiKeys, postgres: Postgres) -> None:
    key, secret = await keys.create("  load tester ")
    assert secret.startswith("tl_")
    assert len(secret) == 3 + 43
    row = await postgres.pool.fetchrow("SELECT * FROM api_key")
    assert row is not None
    assert (row["id"], row["name"], row["hash"]) == (key.id, "load tester", hashlib.sha256(secret.encode()).digest())
    assert secret not in str(await postgres.pool.fetch("SELECT * FROM api_key, session"))


async def test_a_key_owns_a_session_that_nobody_holds_a_token_of(keys: ApiKeys, postgres: Postgres) -> None:
    key, secret = await keys.create("load tester")
    session = await postgres.pool.fetchrow("SELECT * FROM session")
    assert session is not None
    assert (session["id"], session["token_hash"], session["user_id"]) == (key.session_id, None, None)
    assert await keys.find(secret) == Identity(
        session_id=key.session_id, key_id=key.id, scopes=frozenset(DEFAULT_SCOPES)
    )


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\nb", "a\0b"])
async def test_a_name_that_nobody_could_read_is_refused(keys: ApiKeys, name: str) -> None:
    with pytest.raises(Refusal) as refused:
        await keys.create(name)
    assert refused.value.code is Code.BAD_REQUEST


@pytest.mark.parametrize("secret", ["", "tl_", "tl_" + "A" * 43, "A" * 46, "tl_" + "é" * 43, "tl_" + "A" * 4_000])
async def test_what_is_no_key_finds_nobody(keys: ApiKeys, secret: str) -> None:
    await keys.create("load tester")
    assert await keys.find(secret) is None


async def test_a_revoked_key_is_nobody_at_once_and_for_ever(keys: ApiKeys, postgres: Postgres) -> None:
    key, secret = await keys.create("load tester")
    revoked = await keys.revoke(key.id)
    again = await keys.revoke(key.id)
    assert revoked is not None
    assert revoked == again
    assert revoked.revoked_at is not None
    assert await keys.find(secret) is None
    assert await keys.revoked_of([key.id, new_id()]) == [key.id]
    assert await postgres.pool.fetchval("SELECT expires_at <= clock_timestamp() FROM session")


async def test_a_key_that_there_is_not_cannot_be_revoked(keys: ApiKeys) -> None:
    assert await keys.revoke(new_id()) is None


async def test_all_keys_are_listed_the_newest_first(keys: ApiKeys) -> None:
    first, _ = await keys.create("first")
    second, _ = await keys.create("second")
    await keys.revoke(first.id)
    listed = await keys.list()
    assert [(key.name, key.revoked_at is None) for key in listed] == [("second", True), ("first", False)]
    assert listed[0] == second


async def test_the_last_use_is_noted_once_a_minute(keys: ApiKeys, postgres: Postgres) -> None:
    _, secret = await keys.create("load tester")

    async def used() -> object:
        await keys.find(secret)
        return await postgres.pool.fetchval("SELECT last_used_at FROM api_key")

    first = await used()
    assert first is not None
    assert await used() == first
    await postgres.pool.execute("UPDATE api_key SET last_used_at = last_used_at - $1::interval", timedelta(seconds=61))
    assert await used() != first


async def test_a_key_is_no_visitor() -> None:
    identity = Identity(session_id=new_id(), key_id=new_id())
    assert identity.kind is IdentityKind.KEY
    assert not identity.is_visitor


async def socket_of(gateway: LocalGateway, secret: str) -> RawSocket:
    """A socket of this key that has said hello and opened a chat."""
    async with http_client(gateway.url, {"authorization": f"Bearer {secret}"}) as http:
        answer = await http.post("/api/ws-tickets", json={"channel": "deep-sea-lab"})
    socket = await RawSocket.open(gateway.url, [("Sec-WebSocket-Protocol", "tallylight.v1")])
    hello = {"t": "hello", "rid": 1, "client": "raw/1", "ticket": answer.json()["ticket"]}
    ready = await socket.call(json.dumps(hello))
    assert ready["who"] == {"kind": "key", "ref": 1}
    return socket


async def opened_on(socket: RawSocket, idem: str) -> str:
    """The id of a new chat."""
    opened = await socket.call(json.dumps({"t": "open", "rid": 2, "idem": idem, "channel": "deep-sea-lab"}))
    assert opened["t"] == "opened", opened
    return str(opened["chat"])


async def until(socket: RawSocket, kind: str) -> dict[str, object]:
    while True:
        frame = await socket.next_frame()
        if frame["t"] == kind:
            return dict(frame)


async def test_a_key_is_free_of_what_holds_for_visitors(gateway: LocalGateway, keys: ApiKeys) -> None:
    """Visitors are not let in at all here, may start one chat a day, and have one socket an address."""
    _, secret = await keys.create("load tester")
    for number in range(3):
        async with await socket_of(gateway, secret) as first, await socket_of(gateway, secret) as second:
            await opened_on(first, f"idem-{number:04}")
            await first.send(ASK.encode())
            assert (await until(first, "done"))["why"] == "stop"
            assert (await second.call('{"t":"ping","n":1}'))["t"] == "pong"


async def test_the_chats_of_a_key_are_read_with_it_over_rest(gateway: LocalGateway, keys: ApiKeys) -> None:
    _, secret = await keys.create("load tester")
    _, other = await keys.create("another one")
    async with await socket_of(gateway, secret) as socket:
        chat = await opened_on(socket, "idem-0001")
        await socket.send(ASK.encode())
        await until(socket, "done")
    async with http_client(gateway.url) as http:
        mine, theirs = ({"authorization": f"Bearer {one}"} for one in (secret, other))
        assert [one["id"] for one in (await http.get("/api/chats", headers=mine)).json()["items"]] == [chat]
        assert len((await http.get(f"/api/chats/{chat}/messages", headers=mine)).json()["items"]) == 2
        assert (await http.get("/api/chats", headers=theirs)).json()["items"] == []
        assert (await http.get(f"/api/chats/{chat}", headers=theirs)).status_code == 404


async def test_a_revoked_key_is_refused_everywhere(gateway: LocalGateway, keys: ApiKeys) -> None:
    key, secret = await keys.create("load tester")
    async with http_client(gateway.url, {"authorization": f"Bearer {secret}"}) as http:
        assert (await http.get("/api/chats")).status_code == 200
        answer = await http.post("/api/ws-tickets", json={"channel": "deep-sea-lab"})
        await keys.revoke(key.id)
        for refused in (
            await http.get("/api/chats"),
            await http.post("/api/ws-tickets", json={"channel": "deep-sea-lab"}),
        ):
            assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    socket = await RawSocket.open(
        gateway.url, [("Sec-WebSocket-Protocol", f"tallylight.v1, t.{answer.json()['ticket']}")]
    )
    async with socket:
        assert await socket.close_code() == 4501


async def test_the_open_sockets_of_a_revoked_key_are_closed(gateway: LocalGateway, keys: ApiKeys) -> None:
    key, secret = await keys.create("load tester")
    _, other_secret = await keys.create("another one")
    async with await socket_of(gateway, secret) as socket, await socket_of(gateway, other_secret) as untouched:
        await keys.revoke(key.id)
        assert await socket.close_code() == 4004
        assert (await untouched.call('{"t":"ping","n":1}'))["t"] == "pong"


async def test_a_key_may_have_more_sockets_than_a_visitor(gateway: LocalGateway, keys: ApiKeys) -> None:
    _, secret = await keys.create("load tester")
    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(await socket_of(gateway, secret)) for _ in range(20)]
        assert (await sockets[0].call('{"t":"ping","n":1}'))["t"] == "pong"


async def test_the_session_of_a_key_is_nobodys_cookie(postgres: Postgres, keys: ApiKeys) -> None:
    key, _ = await keys.create("load tester")
    assert await Sessions(postgres, SessionLimits()).read(key.session_id) is None
