"""Sockets whose session signs in, is renamed or ends, at this node and at another one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest

from server.auth.api_keys import ApiKeys
from server.auth.cookies import LOOPBACK_NAME
from server.auth.own_sessions import OwnSessions
from server.auth.sessions import SessionLimits, Sessions
from server.domain.identity import Identity
from server.domain.settings import Settings
from server.storage.settings import LiveSettings
from server.ws import identity_watch
from server.ws.identity_watch import IdentityWatch
from tests.support.fans import still_works
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.http_clients import http_client
from tests.support.people import Person, sign_in_again, signed_in
from tests.support.socket_client import ChatView, SocketClient, of_kind
from tests.support.waiting import eventually
from tests.support.world import World

CLOSED_WITHIN_SECONDS: Final = 10.0
"""A second (`identity_watch.LOOK_SECONDS`), and what a busy machine may take for it."""
LONG: Final = "Tell me all. [[tokens=120 rate=40]]"


@pytest.fixture
async def other(postgres_url: str, redis_url: str, world: World) -> AsyncIterator[LocalGateway]:
    """A second node."""
    async with local_gateway(postgres_url, redis_url) as running:
        yield running


async def visitor_of(gateway: LocalGateway, world: World) -> Identity:
    """The visitor whose sockets `gateway.connect` makes."""
    gateway.cookie = gateway.cookie or await gateway.visit()
    found = await Sessions(world.postgres, SessionLimits()).find(gateway.cookie.partition("=")[2])
    assert found is not None
    return found


def cookie_of(person: Person) -> str:
    return f"{LOOPBACK_NAME}={person.token}"


async def code_after_hello(gateway: LocalGateway, cookie: str) -> int | None:
    client = await gateway.connect(cookie, greet=False)
    await client.command("hello", client="test/1")
    return await client.wait_closed()


async def test_a_sign_in_reaches_the_sockets_of_every_node_and_no_token_is_lost(
    gateway: LocalGateway, other: LocalGateway, world: World
) -> None:
    visitor = await visitor_of(gateway, world)
    here = await gateway.connect()
    there = await other.connect(gateway.cookie)
    opened = await here.open_chat("deep-sea-lab")
    view = ChatView(k=opened["k"], epoch=opened["epoch"], last=opened["seq"])
    await here.call("send", k=opened["k"], idem="send-0001", text=LONG)
    await here.wait_for(of_kind("d"))
    await signed_in(world.postgres, "mara_k", visitor=visitor)
    for socket in (here, there):
        assert await socket.wait_for(of_kind("who")) == {"t": "who", "kind": "user", "ref": 1, "name": "mara_k"}
    done = await here.wait_for(of_kind("done"))
    for frame in here.frames:
        view.apply(frame)
    assert len(view.texts[done["id"]]) == done["len"]
    assert len(here.of("who")) == len(here.of("opened")) == 1
    await here.ask(opened["k"], "Who am I? [[tokens=5]]", "send-0002")
    assert [frame["who"]["name"] for frame in here.of("user")] == ["Fan 1", "mara_k"]


async def test_another_device_opens_the_chat_at_once_and_follows_the_running_answer(
    gateway: LocalGateway, world: World
) -> None:
    visitor = await visitor_of(gateway, world)
    phone = await signed_in(world.postgres, "mara_k")
    stranger = await signed_in(world.postgres, "jonas")
    at_home = await gateway.connect()
    opened = await at_home.open_chat("deep-sea-lab")
    await at_home.call("send", k=opened["k"], idem="send-0001", text=LONG)
    await at_home.wait_for(of_kind("d"))
    on_the_way = await gateway.connect(cookie_of(phone))
    foreign = await gateway.connect(cookie_of(stranger))
    assert (await on_the_way.call("sub", chat=opened["chat"]))["code"] == "not_found"
    await sign_in_again(world.postgres, phone.user_id, "mara_k", visitor=visitor)
    shown = await on_the_way.call("sub", chat=opened["chat"])
    assert (shown["t"], shown["epoch"], shown["msgs"][-1]["status"]) == ("opened", opened["epoch"], "streaming")
    assert (await foreign.call("sub", chat=opened["chat"]))["code"] == "not_found"
    assert await on_the_way.wait_for(of_kind("done")) == await at_home.wait_for(of_kind("done"))


async def test_a_socket_that_does_not_know_of_the_sign_in_yet_still_finds_its_chat(
    gateway: LocalGateway, world: World
) -> None:
    visitor = await visitor_of(gateway, world)
    socket = await gateway.connect()
    opened = await socket.open_chat("deep-sea-lab")
    phone = await signed_in(world.postgres, "mara_k", visitor=visitor)
    other_device = await gateway.connect(cookie_of(phone))
    assert (await other_device.call("sub", chat=opened["chat"]))["t"] == "opened"  # the chat in memory is the user's
    assert (await socket.call("sub", chat=opened["chat"]))["t"] == "opened"


async def test_a_new_name_is_told(gateway: LocalGateway, world: World) -> None:
    person = await signed_in(world.postgres, "mara_k")
    socket = await gateway.connect(cookie_of(person))
    await world.postgres.pool.execute("UPDATE \"user\" SET username = 'mara_z' WHERE id = $1", person.user_id)
    assert (await socket.wait_for(of_kind("who")))["name"] == "mara_z"


async def test_the_sockets_of_an_ended_session_are_closed_within_a_second_on_every_node(
    gateway: LocalGateway, other: LocalGateway, world: World
) -> None:
    person = await signed_in(world.postgres, "mara_k")
    stays = await sign_in_again(world.postgres, person.user_id, "mara_k")
    sockets = [await gateway.connect(cookie_of(person)), await other.connect(cookie_of(person))]
    kept = await gateway.connect(cookie_of(stays))
    await OwnSessions(world.postgres).end(stays.identity, person.session_id)
    async with asyncio.timeout(CLOSED_WITHIN_SECONDS):
        assert [await socket.wait_closed() for socket in sockets] == [4004, 4004]
    assert [await code_after_hello(node, cookie_of(person)) for node in (gateway, other)] == [4501, 4501]
    assert await still_works(kept)
    assert kept.of("who") == []


async def test_more_sockets_than_one_query_asks_for_are_all_looked_after(
    gateway: LocalGateway, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity_watch, "SESSIONS_PER_QUERY", 2)
    people = [await signed_in(world.postgres, f"fan_{number}") for number in range(5)]
    sockets = [await gateway.connect(cookie_of(person)) for person in people]
    for person in people[1:]:
        await OwnSessions(world.postgres).end(person.identity, person.session_id)
    assert [await socket.wait_closed() for socket in sockets[1:]] == [4004] * 4
    assert await still_works(sockets[0])


async def test_signing_out_closes_the_sockets_and_the_cookie_is_nobody(gateway: LocalGateway, world: World) -> None:
    socket = await gateway.connect()
    assert gateway.cookie is not None
    name, _, token = gateway.cookie.partition("=")
    async with http_client(gateway.url) as http:
        http.cookies[name] = token
        assert (await http.post("/signout", headers={"origin": gateway.url})).status_code == 303
    async with asyncio.timeout(CLOSED_WITHIN_SECONDS):
        assert await socket.wait_closed() == 4004
    assert await code_after_hello(gateway, gateway.cookie) == 4501


async def test_an_expired_session_loses_its_sockets(gateway: LocalGateway, world: World) -> None:
    visitor = await visitor_of(gateway, world)
    socket = await gateway.connect()
    await world.postgres.pool.execute("UPDATE session SET expires_at = now() WHERE id = $1", visitor.session_id)
    assert await socket.wait_closed() == 4004


async def test_a_session_that_runs_out_loses_its_sockets_about_a_second_later_and_not_before(
    gateway: LocalGateway, world: World
) -> None:
    """By the clock alone: nobody ends it."""
    visitor = await visitor_of(gateway, world)
    socket = await gateway.connect()
    await world.postgres.pool.execute(
        "UPDATE session SET expires_at = clock_timestamp() + '1.5 s' WHERE id = $1", visitor.session_id
    )
    assert await still_works(socket)
    assert await socket.wait_closed() == 4004
    late = "SELECT extract(epoch FROM clock_timestamp() - expires_at)::float8 FROM session WHERE id = $1"
    assert 0 <= await world.postgres.pool.fetchval(late, visitor.session_id) < CLOSED_WITHIN_SECONDS
    assert gateway.cookie is not None
    assert await code_after_hello(gateway, gateway.cookie) == 4501


async def test_a_socket_that_goes_while_its_sign_in_is_looked_up_is_not_counted_again(
    gateway: LocalGateway, world: World
) -> None:
    visitor = await visitor_of(gateway, world)
    person = await signed_in(world.postgres, "mara_k")
    socket = await gateway.connect()
    sockets, postgres = gateway.gateway.sockets, world.postgres
    watch = IdentityWatch(postgres, ApiKeys(postgres), sockets, LiveSettings(postgres, Settings()))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def is_waiting() -> bool:
        return bool(await postgres.pool.fetchval(waiting))

    async with postgres.pool.acquire() as claimer, claimer.transaction():
        await claimer.execute("LOCK TABLE session IN ACCESS EXCLUSIVE MODE")
        looking = asyncio.create_task(watch.look())
        await eventually(is_waiting, deadline_seconds=1.5)  # a lock is waited for 2 s
        await claimer.execute("UPDATE session SET user_id = $2 WHERE id = $1", visitor.session_id, person.user_id)
        await socket.close()
        await eventually(lambda: not len(sockets), deadline_seconds=1.5)
    await looking
    assert not sockets._by_owner


async def test_after_a_sign_in_the_sockets_of_all_devices_count_together(
    postgres_url: str, redis_url: str, world: World
) -> None:
    async with local_gateway(postgres_url, redis_url, settings={"ws.sockets_per_identity": "2"}) as gateway:
        visitor = await visitor_of(gateway, world)
        person = await signed_in(world.postgres, "mara_k")
        oldest = await gateway.connect(cookie_of(person))
        await gateway.connect(cookie_of(person))
        joined: SocketClient = await gateway.connect()
        await sign_in_again(world.postgres, person.user_id, "mara_k", visitor=visitor)
        await joined.wait_for(of_kind("who"))
        assert await oldest.wait_closed() == 4505
        assert await still_works(joined)
