"""Tickets for chats on other sites, on a real gateway: whose pages get them, and the sessions that begin with them."""

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import pytest
import pytest_asyncio

from server.auth.sessions import Frame, SessionLimits, Sessions
from server.channels.embedding import Embedding
from server.embedded.valkey import EmbeddedValkey
from tests.auth.test_tickets import CHANNEL, House, hello
from tests.support.databases import Databases
from tests.support.fans import Fans
from tests.support.gateways import local_gateway
from tests.support.http_clients import http_client
from tests.support.socket_client import SocketClient, of_kind
from tests.support.world import made_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

FANS: Final = "https://good.example"
CLUB: Final = "https://club.example"
LOOK_ALIKES: Final = [
    "https://evil.test",
    "null",
    "",
    "https://good.example.evil.test",
    "https://evilgood.example",
    "https://good.example:8443",
    "https://good.example:443",
    "http://good.example",
    "https://good.example.",
    "https://GOOD.example",
    "HTTPS://good.example",
    "https://good.example/",
    "https://good.example https://good.example",
    "https://sub.good.example",
]
PREFLIGHT: Final = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
CORS: Final = "access-control-allow-origin"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(databases: Databases, valkey_server: EmbeddedValkey) -> AsyncIterator[House]:
    """The module's gateway: `deep-sea-lab` lists one site, `night-kitchen` another; three chats a day."""
    name = databases.create()
    valkey_server.resp.run("FLUSHALL")
    urls = databases.url(name), valkey_server.url
    settings = {"chat.visitor_chats_per_day": "3"}
    async with made_world(*urls) as world, local_gateway(*urls, settings=settings) as gateway:
        embedding = Embedding(world.postgres)
        await embedding.allow(world.on_air, [FANS], by_user_id=None)
        kitchen = await world.postgres.pool.fetchval("SELECT id FROM channel WHERE name = 'night-kitchen'")
        await embedding.allow(kitchen, [CLUB], by_user_id=None)
        yield House(Fans(gateway, world), valkey_server)
    databases.drop(name)


async def begun(house: House, origin: str, channel: str = CHANNEL) -> tuple[str, str]:
    """The ticket and the session of a new visitor on a page of this origin."""
    answer = await house.ask({"channel": channel}, origin=origin)
    assert answer.status_code == 200, answer.text
    return answer.json()["ticket"], answer.json()["embedSession"]


async def again(house: House, origin: str, embed_session: str, channel: str = CHANNEL, **headers: str) -> Any:
    """The answer to a visitor who comes back."""
    body = {"channel": channel, "embedSession": embed_session}
    return (await house.ask(body, origin=origin, **headers)).json()


async def preflight(house: House, origin: str, path: str = "/api/ws-tickets") -> httpx2.Response:
    async with http_client(house.fans.gateway.url) as http:
        return await http.request("OPTIONS", path, headers={"origin": origin, **PREFLIGHT})


def own(house: House) -> str:
    return house.fans.gateway.url


@pytest.mark.parametrize("origin", [FANS, None], ids=["a site that is listed", "our own page in a frame"])
async def test_a_visitor_without_a_cookie_gets_a_session_and_comes_in(house: House, origin: str | None) -> None:
    origin = origin or own(house)
    ticket, embed_session = await begun(house, origin)
    assert len(embed_session) == 43
    assert await house.outcome(ticket, ("Origin", origin)) == "session"
    answer = await again(house, origin, embed_session)
    assert answer.keys() == {"ticket", "expiresIn"}
    assert await house.outcome(answer["ticket"], ("Origin", origin)) == "session"


async def test_the_table_has_the_digest_and_where_the_session_belongs(house: House) -> None:
    _, embed_session = await begun(house, FANS)
    row = await house.fans.world.postgres.pool.fetchrow(
        "SELECT embed_channel_id, embed_origin, expires_at - clock_timestamp() AS left, user_id FROM session"
        " WHERE token_hash = $1",
        hashlib.sha256(embed_session.encode()).digest(),
    )
    assert row is not None
    assert (row["embed_channel_id"], row["embed_origin"]) == (house.fans.world.on_air, FANS)
    assert 59 <= row["left"].days <= 60
    assert row["user_id"] is None


@pytest.mark.parametrize("origin", LOOK_ALIKES)
async def test_no_other_page_gets_a_ticket_or_may_read_the_answer(house: House, origin: str) -> None:
    for headers in ({}, {"cookie": await house.fans.cookie()}):
        answer = await house.ask(origin=origin, **headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert CORS not in answer.headers
        assert "set-cookie" not in answer.headers
    asked = await preflight(house, origin)
    assert asked.status_code == 405
    assert not [name for name in asked.headers if name.startswith("access-control")]


async def test_without_an_origin_there_is_no_ticket(house: House) -> None:
    answer = await house.ask()
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    _, embed_session = await begun(house, FANS)
    answer = await house.ask({"channel": CHANNEL, "embedSession": embed_session})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_a_site_gets_tickets_for_the_channels_that_list_it_alone(house: House) -> None:
    answer = await house.ask({"channel": "night-kitchen"}, origin=FANS)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.headers[CORS] == FANS  # its own pages may read why
    assert (await house.ask({"channel": CHANNEL}, origin=CLUB)).status_code == 403


async def test_browsers_let_the_pages_of_a_listed_site_read_it_without_cookies(house: House) -> None:
    asked = await preflight(house, FANS)
    assert (asked.status_code, asked.content) == (204, b"")
    assert {name: asked.headers[name] for name in asked.headers if name.startswith("access-control")} == {
        CORS: FANS,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type",
        "access-control-max-age": "600",
    }
    answer = await house.ask(origin=FANS)
    assert (answer.headers[CORS], answer.headers["vary"]) == (FANS, "Origin")
    assert "access-control-allow-credentials" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


async def test_nothing_else_may_be_read_from_another_site(house: House) -> None:
    async with http_client(house.fans.gateway.url) as http:
        for path in ("/", "/embed/deep-sea-lab", "/api/channels/deep-sea-lab", "/api/me/sessions"):
            answer = await http.get(path, headers={"origin": FANS})
            assert CORS not in answer.headers, path
    assert CORS not in (await preflight(house, FANS, "/api/me/keys")).headers


async def test_a_ticket_serves_the_page_that_asked_and_once(house: House) -> None:
    for asked, used in ((FANS, own(house)), (own(house), FANS), (FANS, CLUB), (FANS, "https://good.example.evil.test")):
        ticket, _ = await begun(house, asked)
        assert await house.outcome(ticket, ("Origin", used)) == 4501
        assert await house.outcome(ticket, ("Origin", asked)) == 4005
    ticket, _ = await begun(house, FANS)
    assert await house.outcome(ticket) == 4501
    ticket, _ = await begun(house, FANS)
    assert await house.outcome(ticket, ("Origin", FANS)) == "session"
    assert await house.outcome(ticket, ("Origin", FANS)) == 4005


async def test_a_ticket_serves_its_channel_alone(house: House) -> None:
    ticket, _ = await begun(house, FANS)
    async with await house.knock(ticket, ("Origin", FANS)) as socket:
        assert (await socket.call(hello()))["t"] == "ready"
        refused = await socket.call(json.dumps({"t": "watch", "rid": 2, "channel": "night-kitchen"}))
        assert (refused["t"], refused["code"]) == ("err", "forbidden")
        opened = await socket.call(json.dumps({"t": "open", "rid": 3, "channel": CHANNEL, "idem": "idem-0001"}))
        assert opened["t"] == "opened"


async def test_with_an_embed_session_or_on_another_site_no_cookie_is_looked_at(house: House) -> None:
    cookie = await house.fans.cookie()
    assert "embedSession" not in (await house.ask(cookie=cookie, origin=own(house))).json()
    for origin in (own(house), FANS):
        _, embed_session = await begun(house, origin)
        for kept, is_new in ((embed_session, False), ("A" * 43, True)):
            answer = await again(house, origin, kept, cookie=cookie)
            assert ("embedSession" in answer) is is_new
            async with await house.knock(answer["ticket"], ("Origin", origin), ("Cookie", cookie)) as socket:
                assert (await socket.call(hello()))["t"] == "ready"
                mine = await socket.call(json.dumps({"t": "open", "rid": 3, "channel": CHANNEL, "idem": "idem-0001"}))
            client = await house.fans.connect(cookie)
            assert (await client.call("sub", chat=mine["chat"]))["code"] == "not_found"
            await client.close()


@pytest.mark.parametrize("kept", ["A" * 43, "", "short", "x" * 64, "\u00e9" * 43])
async def test_a_session_that_is_none_begins_anew(house: House, kept: str) -> None:
    answer = await again(house, FANS, kept)
    assert len(answer["embedSession"]) == 43
    assert await house.outcome(answer["ticket"], ("Origin", FANS)) == "session"


async def test_a_longer_one_is_refused(house: House) -> None:
    answer = await house.ask({"channel": CHANNEL, "embedSession": "x" * 65}, origin=FANS)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_a_session_belongs_to_one_origin_and_one_channel(house: House) -> None:
    _, of_fans = await begun(house, FANS)
    _, in_frame = await begun(house, own(house))
    assert "embedSession" in await again(house, own(house), of_fans)
    assert "embedSession" in await again(house, FANS, in_frame)
    assert "embedSession" in await again(house, own(house), in_frame, "night-kitchen")
    assert "embedSession" not in await again(house, own(house), in_frame)


async def test_the_token_of_a_frame_is_no_cookie_and_a_cookie_s_is_nothing_in_a_frame(house: House) -> None:
    _, in_frame = await begun(house, own(house))
    cookie = await house.fans.cookie()
    name, _, token = cookie.partition("=")
    async with http_client(own(house)) as http:
        headers = {"accept": "application/json"}
        assert (await http.get("/api/me/sessions", headers={**headers, "cookie": cookie})).status_code == 200
        answer = await http.get("/api/me/sessions", headers={**headers, "cookie": f"{name}={in_frame}"})
        assert answer.status_code == 401
    assert "embedSession" in await again(house, own(house), token)


async def test_an_ended_session_takes_its_tickets_along_and_begins_anew(house: House) -> None:
    ticket, embed_session = await begun(house, FANS)
    postgres = house.fans.world.postgres
    frame = Frame(house.fans.world.on_air, FANS)
    identity = await Sessions(postgres, SessionLimits()).find(embed_session, frame)
    assert identity is not None
    await postgres.pool.execute("UPDATE session SET token_hash = NULL WHERE id = $1", identity.session_id)
    assert await house.outcome(ticket, ("Origin", FANS)) == 4501
    assert "embedSession" in await again(house, FANS, embed_session)


async def test_a_site_that_is_taken_off_the_list_gets_no_more_tickets(house: House) -> None:
    world = house.fans.world
    _, embed_session = await begun(house, FANS)
    await Embedding(world.postgres).allow(world.on_air, [], by_user_id=None)
    try:
        body = {"channel": CHANNEL, "embedSession": embed_session}
        answer = await house.ask(body, origin=FANS)
        assert (answer.status_code, CORS in answer.headers) == (403, False)
    finally:
        await Embedding(world.postgres).allow(world.on_air, [FANS], by_user_id=None)


async def test_the_quota_of_visitors_holds_in_frames_and_new_sessions_do_not_reset_it(house: House) -> None:
    codes = []
    for _ in range(2):
        ticket, _ = await begun(house, FANS)
        offered = ("tallylight.v1", f"t.{ticket}")
        async with await SocketClient.open(own(house), origin=FANS, subprotocols=offered) as client:
            assert (await client.hello())["who"]["kind"] == "session"
            for number in range(4):
                opened = await client.open_chat(CHANNEL, f"open-{number:04}")
                answer = await client.call("send", k=opened["k"], idem="send-0001", text="Hi [[tokens=1]]")
                codes.append(answer.get("code", answer["t"]))
                if answer["t"] == "ok":
                    await client.wait_for(of_kind("done", k=opened["k"]))
    assert codes == ["ok"] * 3 + ["quota_exceeded"] * 5
