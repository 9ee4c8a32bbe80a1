"""Tickets on a real gateway: who gets one, and what a socket with one may do."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio
from websockets.frames import Close, Opcode

from server.auth.api_keys import ApiKeys
from server.embedded.valkey import EmbeddedValkey
from server.storage.redis import ticket_key
from tests.support.databases import Databases
from tests.support.fans import Fans
from tests.support.gateways import local_gateway
from tests.support.http_clients import http_client
from tests.support.raw_socket import Header, RawSocket
from tests.support.world import made_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANNEL: Final = "deep-sea-lab"
FOREIGN: Final = "https://fan.example"


@dataclass
class House:
    """A gateway, and what is needed to ask it for tickets."""

    fans: Fans
    valkey: EmbeddedValkey

    async def key(self) -> tuple[str, str]:
        """A new API key: its id and its secret."""
        key, secret = await ApiKeys(self.fans.world.postgres).create("of a test")
        return str(key.id), secret

    async def ask(self, body: Any = None, **headers: str) -> httpx2.Response:
        """Ask for a ticket; underscores in names of headers are hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with http_client(self.fans.gateway.url) as http:
            return await http.post("/api/ws-tickets", json=body or {"channel": CHANNEL}, headers=given)

    async def ticket_of_page(self) -> str:
        """A ticket for a new visitor on our own page."""
        answer = await self.ask(cookie=await self.fans.cookie(), origin=self.fans.gateway.url)
        return str(answer.json()["ticket"])

    async def ticket_of_key(self) -> str:
        """A ticket for a new API key."""
        _, secret = await self.key()
        return str((await self.ask(authorization=f"Bearer {secret}")).json()["ticket"])

    async def knock(self, ticket: str, *headers: Header, in_hello: bool = False) -> RawSocket:
        """A handshake with this ticket; in hello, it has been said."""
        offered = ["tallylight.v1"] if in_hello else ["tallylight.v1", f"t.{ticket}"]
        socket = await RawSocket.open(self.fans.gateway.url, [("Sec-WebSocket-Protocol", ", ".join(offered)), *headers])
        if in_hello:
            await socket.send(hello(ticket).encode())
        return socket

    async def outcome(self, ticket: str, *headers: Header, in_hello: bool = False) -> str | int:
        """The kind of the caller, or the close code."""
        async with await self.knock(ticket, *headers, in_hello=in_hello) as socket:
            assert socket.status == 101
            if not in_hello:
                await socket.send(hello().encode())
            opcode, payload = await socket.next_raw()
            if opcode is Opcode.CLOSE:
                return int(Close.parse(payload).code)
            return str(json.loads(payload)["who"]["kind"])

    @property
    def own(self) -> Header:
        """The Origin header of our own pages."""
        return ("Origin", self.fans.gateway.url)


def hello(ticket: str | None = None) -> str:
    command = {"t": "hello", "rid": 1, "client": "raw/1"}
    return json.dumps(command if ticket is None else {**command, "ticket": ticket})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(databases: Databases, valkey_server: EmbeddedValkey) -> AsyncIterator[House]:
    """The module's gateway, on a database of its own."""
    name = databases.create()
    valkey_server.resp.run("FLUSHALL")
    urls = databases.url(name), valkey_server.url
    async with made_world(*urls) as world, local_gateway(*urls) as gateway:
        yield House(Fans(gateway, world), valkey_server)
    databases.drop(name)


PLACES: Final = pytest.mark.parametrize("in_hello", [False, True], ids=["subprotocol", "hello"])


@PLACES
async def test_a_visitor_of_our_page_comes_in_without_the_cookie(house: House, *, in_hello: bool) -> None:
    assert await house.outcome(await house.ticket_of_page(), house.own, in_hello=in_hello) == "session"


@PLACES
async def test_a_program_with_a_key_comes_in_without_an_origin(house: House, *, in_hello: bool) -> None:
    assert await house.outcome(await house.ticket_of_key(), in_hello=in_hello) == "key"


@PLACES
async def test_a_ticket_can_be_used_once(house: House, *, in_hello: bool) -> None:
    ticket = await house.ticket_of_key()
    assert await house.outcome(ticket, in_hello=in_hello) == "key"
    assert await house.outcome(ticket, in_hello=in_hello) == 4005
    assert await house.outcome(ticket, in_hello=not in_hello) == 4005


@PLACES
async def test_a_ticket_is_over_after_its_time(house: House, *, in_hello: bool) -> None:
    ticket = await house.ticket_of_key()
    key = ticket_key(sha256(ticket.encode()).hexdigest())
    assert 0 < int(house.valkey.resp.run("TTL", key)) <= 30
    house.valkey.resp.run("PEXPIRE", key, "0")
    assert await house.outcome(ticket, in_hello=in_hello) == 4005


@PLACES
@pytest.mark.parametrize("origin", [FOREIGN, "null", "http://localhost:1", ""])
async def test_a_ticket_of_our_page_is_nothing_on_another_one_and_is_gone(
    house: House, origin: str, *, in_hello: bool
) -> None:
    ticket = await house.ticket_of_page()
    assert await house.outcome(ticket, ("Origin", origin), in_hello=in_hello) == 4501
    if not in_hello:  # a foreign page that brings no ticket in the handshake is sent away before it could say hello
        assert await house.outcome(ticket, house.own) == 4005


@PLACES
async def test_a_ticket_of_our_page_is_nothing_without_an_origin(house: House, *, in_hello: bool) -> None:
    assert await house.outcome(await house.ticket_of_page(), in_hello=in_hello) == 4501


@PLACES
async def test_a_ticket_of_a_key_is_nothing_on_a_page(house: House, *, in_hello: bool) -> None:
    assert await house.outcome(await house.ticket_of_key(), house.own, in_hello=in_hello) == 4501


@PLACES
@pytest.mark.parametrize("ticket", ["A" * 43, "short", "A" * 400, "a-_" * 14 + "x"])
async def test_garbage_is_a_ticket_that_is_over(house: House, ticket: str, *, in_hello: bool) -> None:
    assert await house.outcome(ticket, in_hello=in_hello) == 4005


@pytest.mark.parametrize("ticket", ["", "\0" * 43, "😀" * 43], ids=["empty", "nul", "emoji"])
async def test_odd_texts_in_hello_are_tickets_that_are_over(house: House, ticket: str) -> None:
    assert await house.outcome(ticket, in_hello=True) == 4005


async def test_a_ticket_counts_and_the_cookie_beside_it_does_not(house: House) -> None:
    cookie = ("Cookie", await house.fans.cookie())
    assert await house.outcome(await house.ticket_of_key(), cookie) == "key"
    assert await house.outcome("A" * 43, cookie, house.own) == 4005
    assert await house.outcome("A" * 43, cookie, house.own, in_hello=True) == 4005


async def test_a_ticket_is_never_echoed(house: House) -> None:
    async with await house.knock(await house.ticket_of_key()) as socket:
        assert socket.header("sec-websocket-protocol") == ["tallylight.v1"]


async def test_the_socket_of_a_ticket_has_its_channel_alone(house: House) -> None:
    async with await house.knock(await house.ticket_of_key()) as socket:
        assert (await socket.call(hello()))["t"] == "ready"
        for command in (
            {"t": "watch", "rid": 2, "channel": "night-kitchen"},
            {"t": "unwatch", "rid": 2, "channel": "night-kitchen"},
            {"t": "open", "rid": 2, "channel": "night-kitchen", "idem": "idem-0001"},
        ):
            refused = await socket.call(json.dumps(command))
            assert (refused["t"], refused["code"]) == ("err", "forbidden"), refused
        opened = await socket.call(json.dumps({"t": "open", "rid": 3, "channel": CHANNEL, "idem": "idem-0001"}))
        assert opened["t"] == "opened"


async def test_the_socket_of_a_ticket_follows_no_chat_of_another_channel(house: House) -> None:
    cookie = await house.fans.cookie()
    client = await house.fans.connect(cookie)
    chat = (await client.open_chat(CHANNEL))["chat"]
    answer = await house.ask({"channel": "night-kitchen"}, cookie=cookie, origin=house.fans.gateway.url)
    async with await house.knock(answer.json()["ticket"], house.own) as socket:
        assert (await socket.call(hello()))["t"] == "ready"
        refused = await socket.call(json.dumps({"t": "sub", "rid": 2, "chat": chat}))
        assert (refused["t"], refused["code"]) == ("err", "forbidden")
    await client.close()


async def test_the_socket_of_a_ticket_is_the_same_visitor_as_the_cookie(house: House) -> None:
    cookie = await house.fans.cookie()
    client = await house.fans.connect(cookie)
    opened = await client.open_chat(CHANNEL)
    answer = await house.ask(cookie=cookie, origin=house.fans.gateway.url)
    async with await house.knock(answer.json()["ticket"], house.own) as socket:
        assert (await socket.call(hello()))["t"] == "ready"
        assert (await socket.call(json.dumps({"t": "sub", "rid": 2, "chat": opened["chat"]})))["t"] == "opened"
    await client.close()


@PLACES
async def test_the_tickets_of_a_session_die_with_it(house: House, *, in_hello: bool) -> None:
    cookie = await house.fans.cookie()
    answer = await house.ask(cookie=cookie, origin=house.fans.gateway.url)
    await house.fans.world.postgres.pool.execute(
        "UPDATE session SET token_hash = NULL WHERE token_hash = sha256($1)", cookie.partition("=")[2].encode()
    )
    assert await house.outcome(answer.json()["ticket"], house.own, in_hello=in_hello) == 4501


async def test_a_ticket_says_how_long_it_lives_and_is_not_cached(house: House) -> None:
    _, secret = await house.key()
    answer = await house.ask(authorization=f"bearer  {secret}")
    assert answer.status_code == 200
    assert answer.json()["expiresIn"] == 30
    assert len(answer.json()["ticket"]) == 43
    assert answer.headers["cache-control"] == "no-store"


async def test_redis_knows_the_digest_of_a_ticket_alone(house: House) -> None:
    ticket = await house.ticket_of_key()
    kept = house.valkey.resp.run("KEYS", "*")
    assert not [one for one in str(kept).split() if ticket in one]


@pytest.mark.parametrize("origin", [None, "null", FOREIGN, "http://127.0.0.1"])
async def test_a_cookie_gets_a_ticket_on_our_own_pages_alone(house: House, origin: str | None) -> None:
    headers = {"cookie": await house.fans.cookie()} | ({"origin": origin} if origin else {})
    answer = await house.ask(**headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_who_is_not_known_gets_no_ticket(house: House) -> None:
    cookie = await house.fans.cookie()
    _, secret = await house.key()
    for headers in (
        {},
        {"cookie": cookie.partition("=")[0] + "=" + "A" * 43},
        {"authorization": "Bearer tl_" + "A" * 43},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {secret}x"},
        {"authorization": f"Bearer {secret[3:]}"},
        {"authorization": "Bearer nonsense", "cookie": cookie, "origin": house.fans.gateway.url},
        {"authorization": f"Basic {secret}"},
    ):
        answer = await house.ask(**headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), headers


async def test_another_scheme_of_authorization_is_none_of_ours(house: House) -> None:
    cookie = await house.fans.cookie()
    answer = await house.ask(authorization="Basic Zm9vOmJhcg==", cookie=cookie, origin=house.fans.gateway.url)
    assert answer.status_code == 200


async def test_a_ticket_is_for_a_channel_that_there_is(house: House) -> None:
    _, secret = await house.key()
    for channel in ("absent", "not a handle", "x" * 64, "\0"):
        answer = await house.ask({"channel": channel}, authorization=f"Bearer {secret}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"channel": CHANNEL, "embedSession": "abc"}, "embedSession"),
        ({"channel": 5}, "channel"),
        ({"channel": ""}, "channel"),
        ({"channel": "x" * 65}, "channel"),
        ([1], "object"),
        ({"chanel": CHANNEL}, "chanel"),
    ],
)
async def test_what_is_asked_wrongly_is_told(house: House, body: object, reason: str) -> None:
    _, secret = await house.key()
    answer = await house.ask(body, authorization=f"Bearer {secret}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert reason in answer.json()["detail"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_json_is_read(house: House, media_type: str) -> None:
    _, secret = await house.key()
    headers = {"authorization": f"Bearer {secret}", "content-type": media_type}
    async with http_client(house.fans.gateway.url) as http:
        answer = await http.post("/api/ws-tickets", content=b'{"channel":"deep-sea-lab"}', headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
