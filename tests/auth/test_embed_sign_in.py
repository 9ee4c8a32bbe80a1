"""Signing in in a chat on another site: the window, the code, and what becomes of the visitor of the frame."""

import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
import pytest
import pytest_asyncio

from server.api.security_headers import OPENED, OPENER
from server.auth.embed_codes import CODE_SECONDS, EmbedCodes, EmbedGrant, challenge_of
from server.auth.own_sessions import OwnSessions
from server.auth.sessions import Frame
from server.channels.embedding import Embedding
from server.domain.errors import Code, Refusal
from server.embedded.valkey import EmbeddedValkey
from server.storage.ids import new_id
from server.storage.redis import ticket_key
from tests.auth.test_embed_tickets import FANS, again, begun, own
from tests.auth.test_tickets import CHANNEL, House
from tests.support.databases import Databases
from tests.support.fans import Fans
from tests.support.gateways import local_gateway
from tests.support.http_clients import http_client
from tests.support.people import Person, signed_in
from tests.support.socket_client import SocketClient, of_kind
from tests.support.world import made_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODE: Final = re.compile(r'data-state="([\w-]{22})" data-code="([\w-]{43})"')


@dataclass
class Asked:
    """What a frame keeps while its window is open."""

    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def words(self, site: str | None = FANS) -> dict[str, str]:
        words = {"challenge": challenge_of(self.verifier), "state": self.state}
        return words if site is None else {**words, "site": site}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(databases: Databases, valkey_server: EmbeddedValkey) -> AsyncIterator[House]:
    """The module's gateway; two channels list one site."""
    name = databases.create()
    valkey_server.resp.run("FLUSHALL")
    urls = databases.url(name), valkey_server.url
    async with made_world(*urls) as world, local_gateway(*urls) as gateway:
        for row in await world.postgres.pool.fetch("SELECT id FROM channel"):
            await Embedding(world.postgres).allow(row["id"], [FANS], by_user_id=None)
        yield House(Fans(gateway, world), valkey_server)
    databases.drop(name)


async def somebody(house: House) -> Person:
    return await signed_in(house.fans.world.postgres, f"fan_{secrets.token_hex(6)}")


async def window(house: House, person: Person | None, words: dict[str, str], channel: str = CHANNEL) -> httpx2.Response:
    async with http_client(own(house)) as http:
        http.cookies.update({} if person is None else person.cookies)
        return await http.get(f"/embed/{channel}/sign-in?{urlencode(words)}")


async def confirm(
    house: House, person: Person, words: dict[str, str], channel: str = CHANNEL, origin: str | None = None
) -> httpx2.Response:
    async with http_client(own(house)) as http:
        http.cookies.update(person.cookies)
        return await http.post(
            f"/embed/{channel}/sign-in", data=words, headers={"origin": origin or own(house), "accept": "text/html"}
        )


async def code_for(house: House, person: Person, asked: Asked, channel: str = CHANNEL) -> str:
    answer = await confirm(house, person, asked.words(), channel)
    assert answer.status_code == 200, answer.text
    found = CODE.search(answer.text)
    assert found is not None
    assert found[1] == asked.state
    return found[2]


async def exchange(house: House, code: str, verifier: str, **more: str) -> httpx2.Response:
    body = {"channel": CHANNEL, "code": code, "verifier": verifier, **more}
    async with http_client(own(house)) as http:
        return await http.post("/api/embed-sessions", json=body, headers={"origin": own(house)})


async def socket_of(house: House, ticket: str) -> SocketClient:
    client = await SocketClient.open(own(house), origin=own(house), subprotocols=("tallylight.v1", f"t.{ticket}"))
    house.fans.clients.append(client)
    return client


def outcome(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_the_visitor_of_the_frame_becomes_the_user_and_the_socket_goes_on(house: House) -> None:
    person, asked = await somebody(house), Asked()
    ticket, embed_session = await begun(house, own(house))
    client = await socket_of(house, ticket)
    assert (await client.hello())["who"]["kind"] == "session"
    chat = (await client.open_chat(CHANNEL))["chat"]
    code = await code_for(house, person, asked)
    answer = await exchange(house, code, asked.verifier, embedSession=embed_session)
    assert answer.status_code == 200
    assert answer.json()["name"] == person.username
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    who = await client.wait_for(of_kind("who"))
    assert (who["kind"], who["name"]) == ("user", person.username)
    postgres = house.fans.world.postgres
    assert await postgres.pool.fetchval("SELECT user_id FROM chat WHERE id = $1::uuid", chat) == person.user_id
    assert "embedSession" in await again(house, own(house), embed_session)  # the old token is worth nothing
    renewed = await again(house, own(house), answer.json()["embedSession"])
    assert "embedSession" not in renewed
    assert (await (await socket_of(house, renewed["ticket"])).hello())["who"]["name"] == person.username


async def test_a_code_counts_once(house: House) -> None:
    person, asked = await somebody(house), Asked()
    code = await code_for(house, person, asked)
    assert (await exchange(house, code, asked.verifier)).status_code == 200
    assert outcome(await exchange(house, code, asked.verifier)) == (403, "forbidden")


@pytest.mark.parametrize("more", [{"verifier": "A" * 43}, {"channel": "night-kitchen"}], ids=["secret", "channel"])
async def test_a_code_is_nothing_with_another_secret_or_channel_and_is_gone(house: House, more: dict[str, str]) -> None:
    person, asked = await somebody(house), Asked()
    code = await code_for(house, person, asked)
    body = {"channel": CHANNEL, "code": code, "verifier": asked.verifier, **more}
    async with http_client(own(house)) as http:
        answer = await http.post("/api/embed-sessions", json=body, headers={"origin": own(house)})
    assert outcome(answer) == (403, "forbidden")
    assert outcome(await exchange(house, code, asked.verifier)) == (403, "forbidden")


async def test_the_code_of_another_frame_signs_nobody_in(house: House) -> None:
    mine, theirs = Asked(), Asked()
    code = await code_for(house, await somebody(house), theirs)
    assert outcome(await exchange(house, code, mine.verifier)) == (403, "forbidden")


@pytest.mark.parametrize("code", ["", "short", "A" * 43, "\u00e9" * 43])
async def test_garbage_is_a_code_that_is_over(house: House, code: str) -> None:
    assert outcome(await exchange(house, code, Asked().verifier)) == (403, "forbidden")


async def test_a_code_is_over_after_a_minute_and_redis_knows_its_digest_alone(house: House) -> None:
    person, asked = await somebody(house), Asked()
    code = await code_for(house, person, asked)
    assert code not in str(house.valkey.resp.run("KEYS", "*"))
    key = ticket_key(sha256(f"embed code {code}".encode()).hexdigest())
    assert 0 < int(house.valkey.resp.run("TTL", key)) <= CODE_SECONDS == 60
    house.valkey.resp.run("PEXPIRE", key, "0")
    assert outcome(await exchange(house, code, asked.verifier)) == (403, "forbidden")


async def test_a_code_is_for_the_origin_of_the_page_that_asked(house: House) -> None:
    codes, asked = EmbedCodes(house.fans.world.redis), Asked()
    channel_id, user_id = house.fans.world.on_air, new_id()
    grant = EmbedGrant(user_id, channel_id, own(house), challenge_of(asked.verifier), None)
    assert await codes.redeem(await codes.issue(grant), asked.verifier, Frame(channel_id, own(house))) == grant
    for frame in (Frame(channel_id, FANS), Frame(new_id(), own(house)), Frame(channel_id, own(house) + "0")):
        with pytest.raises(Refusal) as refused:
            await codes.redeem(await codes.issue(grant), asked.verifier, frame)
        assert refused.value.code is Code.FORBIDDEN


async def test_a_code_is_no_ticket(house: House) -> None:
    code = await code_for(house, await somebody(house), Asked())
    assert await house.outcome(code, house.own) == 4005


async def test_nobody_is_signed_in_without_saying_so(house: House) -> None:
    person, asked = await somebody(house), Asked()
    page = await window(house, person, asked.words())
    assert f"as <b>{person.username}</b> in the chat of Deep Sea Lab on good.example?" in page.text
    assert "data-code" not in page.text
    for origin in (FANS, "null", "https://good.example.evil.test"):
        answer = await confirm(house, person, asked.words(), origin=origin)
        assert answer.status_code == 403
        assert "data-code" not in answer.text


async def test_who_is_not_signed_in_is_led_to_it_and_back(house: House) -> None:
    page = await window(house, None, Asked().words())
    assert "Continue with Development sign-in" in page.text
    assert f'value="/embed/{CHANNEL}/sign-in?challenge=' in page.text


async def test_only_a_site_of_the_channel_is_named(house: House) -> None:
    person, asked = await somebody(house), Asked()
    for site in ("https://evil.example", "https://good.example.", "HTTPS://GOOD.EXAMPLE", "null", "x"):
        assert (await window(house, person, asked.words(site))).status_code == 403
        assert (await confirm(house, person, asked.words(site))).status_code == 403
    assert "on another site?" in (await window(house, person, asked.words(None))).text


@pytest.mark.parametrize(
    "wrong", [{"challenge": "A" * 42}, {"challenge": "A" * 42 + "="}, {"state": "A" * 21}, {"state": '"' * 22}]
)
async def test_what_is_no_challenge_or_state_is_refused(house: House, wrong: dict[str, str]) -> None:
    person, words = await somebody(house), Asked().words() | wrong
    assert (await window(house, person, words)).status_code == 400
    assert (await confirm(house, person, words)).status_code == 400


async def test_other_sites_pages_exchange_nothing(house: House) -> None:
    person, asked = await somebody(house), Asked()
    body = {"channel": CHANNEL, "code": await code_for(house, person, asked), "verifier": asked.verifier}
    async with http_client(own(house)) as http:
        for origin in (FANS, "null", "https://good.example.evil.test"):
            answer = await http.post("/api/embed-sessions", json=body, headers={"origin": origin})
            assert outcome(answer) == (403, "forbidden")
            assert "access-control-allow-origin" not in answer.headers
    assert (await exchange(house, body["code"], asked.verifier)).status_code == 200


async def test_a_session_of_somebody_else_is_ended_and_another_begins(house: House) -> None:
    first, second = await somebody(house), await somebody(house)
    ticket, token = await begun(house, own(house))
    for person in (first, second):
        asked = Asked()
        answer = await exchange(house, await code_for(house, person, asked), asked.verifier, embedSession=token)
        assert answer.json()["name"] == person.username
        if person is first:
            client = await socket_of(house, (await again(house, own(house), answer.json()["embedSession"]))["ticket"])
            assert (await client.hello())["who"]["name"] == first.username
        old, token = token, answer.json()["embedSession"]
        assert "embedSession" in await again(house, own(house), old)
    assert await client.wait_closed() == 4004
    assert "embedSession" not in await again(house, own(house), token)
    assert ticket


async def test_a_session_that_has_ended_begins_anew_as_the_user(house: House) -> None:
    person, asked = await somebody(house), Asked()
    answer = await exchange(house, await code_for(house, person, asked), asked.verifier, embedSession="A" * 43)
    assert answer.json()["name"] == person.username
    assert "embedSession" not in await again(house, own(house), answer.json()["embedSession"])


async def test_it_is_listed_among_the_sessions_and_ended_there(house: House) -> None:
    person, asked = await somebody(house), Asked()
    ticket, embed_session = await begun(house, own(house))
    client = await socket_of(house, ticket)
    await client.hello()
    code = await code_for(house, person, asked)
    async with http_client(own(house)) as http:
        body = {"channel": CHANNEL, "code": code, "verifier": asked.verifier, "embedSession": embed_session}
        headers = {"origin": own(house), "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
        token = (await http.post("/api/embed-sessions", json=body, headers=headers)).json()["embedSession"]
    await client.wait_for(of_kind("who"))
    async with http_client(own(house)) as http:
        http.cookies.update(person.cookies)
        listed: list[dict[str, Any]] = (await http.get("/api/me/sessions")).json()["items"]
        [of_frame] = [one for one in listed if not one["current"]]
        assert of_frame["device"] == "Firefox on Linux, in the chat of Deep Sea Lab on good.example"
        ended = await http.delete(f"/api/me/sessions/{of_frame['id']}", headers={"origin": own(house)})
        assert ended.status_code == 204
    assert await client.wait_closed() == 4004
    answer = await again(house, own(house), token)
    assert (await (await socket_of(house, answer["ticket"])).hello())["who"]["kind"] == "session"
    assert len(answer["embedSession"]) == 43


async def test_signing_out_everywhere_else_reaches_the_frame(house: House) -> None:
    person, asked = await somebody(house), Asked()
    token = (await exchange(house, await code_for(house, person, asked), asked.verifier)).json()["embedSession"]
    assert await OwnSessions(house.fans.world.postgres).end_others(person.identity) == 1
    assert "embedSession" in await again(house, own(house), token)


async def test_the_pages_of_the_window_keep_their_opener_and_no_others(house: House) -> None:
    person, words = await somebody(house), Asked().words()
    here = f"/embed/{CHANNEL}/sign-in?{urlencode(words)}"
    origin = {"origin": own(house), "accept": "text/html"}
    async with http_client(own(house)) as http:
        opened = {
            "window": await http.get(here),
            "sign-in page": await http.get("/signin", params={"next": here}),
            "departure": await http.post("/signin/development", data={"next": here}, headers=origin),
        }
    async with http_client(own(house)) as http:
        http.cookies.update(person.cookies)
        opened["question"] = await http.get(here)
        opened["answer"] = await http.post(f"/embed/{CHANNEL}/sign-in", data=words, headers=origin)
        opened["welcome"] = await http.get("/welcome", params={"next": here})
        others = [
            await http.get("/signin", params={"next": f"/embed/{CHANNEL}"}),
            await http.get("/signin", params={"next": f"/c/{CHANNEL}?x=/embed/{CHANNEL}/sign-in"}),
            await http.get("/welcome", params={"next": "/me"}),
            await http.post("/signin/development", data={"next": "/"}, headers=origin),
            await http.get(f"/embed/{CHANNEL}"),
            await http.get(f"/c/{CHANNEL}"),
            await http.get("/me/sessions"),
        ]
    assert {name: answer.headers[OPENER] for name, answer in opened.items()} == dict.fromkeys(opened, OPENED)
    assert {answer.headers[OPENER] for answer in others} == {"same-origin"}
    for answer in [*opened.values(), *others[:4]]:
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


async def test_the_challenge_is_that_of_the_standard() -> None:
    """RFC 7636, appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
