"""How much one socket, one identity and one address may have."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import pytest
import pytest_asyncio
from websockets.frames import Opcode

from server.ws.connection import REFUSALS_MAX
from server.ws.outbox import OVERFLOW_BYTES, OVERFLOW_SECONDS
from tests.support.fans import Fans, still_works
from tests.support.gateways import local_gateway
from tests.support.rows import Rows
from tests.support.socket_client import SocketClient, of_kind
from tests.support.waiting import eventually
from tests.support.world import made_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

BURST: Final = 20
PER_SECOND: Final = 10
CHANNELS: Final = [f"channel-{number}" for number in range(1, 10)]
TIGHT: Final = {
    "ws.commands_per_second": "0.1",
    "ws.commands_burst": "4",
    "ws.frame_bytes": "2000",
    "ws.text_characters": "10",
    "ws.sockets_per_address": "3",
}


@pytest_asyncio.fixture(loop_scope="module")
async def tight(postgres_url: str, redis_url: str) -> AsyncIterator[Fans]:
    """Visitors of a gateway with little of everything."""
    async with (
        made_world(postgres_url, redis_url) as world,
        local_gateway(postgres_url, redis_url, settings=TIGHT) as gateway,
    ):
        fans = Fans(gateway, world)
        yield fans
        await fans.close_all()


@pytest_asyncio.fixture(loop_scope="module")
async def behind_a_proxy(postgres_url: str, redis_url: str) -> AsyncIterator[Fans]:
    """The same, behind a proxy on this machine."""
    async with (
        made_world(postgres_url, redis_url) as world,
        local_gateway(postgres_url, redis_url, settings=TIGHT, trusted_proxies=["127.0.0.1"]) as gateway,
    ):
        yield Fans(gateway, world)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channels(shared: Fans) -> list[str]:
    """Nine channels to watch."""
    for name in CHANNELS:
        await Rows(shared.world.postgres).channel(name)
    return CHANNELS


async def follow_eight(client: SocketClient) -> list[str]:
    """Open eight chats; returns their ids."""
    return [(await client.open_chat("deep-sea-lab", f"open-{number:04}"))["chat"] for number in range(8)]


async def test_commands_beyond_the_burst_are_refused_until_time_has_passed(fans: Fans) -> None:
    began_seconds = time.monotonic()
    client = await fans.connect()
    replies = await asyncio.gather(*(client.call("unwatch", channel="deep-sea-lab") for _ in range(3 * BURST)))
    elapsed_seconds = time.monotonic() - began_seconds
    taken = [reply for reply in replies if reply["t"] == "ok"]
    assert BURST - 1 <= len(taken) <= BURST + elapsed_seconds * PER_SECOND
    for refused in (reply for reply in replies if reply["t"] == "err"):
        assert (refused["code"], refused["retry"], refused["after"]) == ("rate_limited", True, 1)


async def test_a_socket_lives_on_when_it_was_too_fast(fans: Fans) -> None:
    client = await fans.connect()
    for number in range(3 * BURST):
        await client.send_raw(f'{{"t":"ping","n":{number}}}')
    await client.wait_for(of_kind("err", code="rate_limited"))

    async def is_answered() -> bool:
        await client.send_raw('{"t":"ping","n":1000}')
        return bool(client.of("pong", n=1_000))

    await eventually(is_answered, every_seconds=0.2)
    assert client.close_code is None


async def test_who_goes_on_too_fast_is_sent_away(fans: Fans) -> None:
    async with await fans.raw_socket() as socket:
        for number in range(BURST + 2 * REFUSALS_MAX):
            await socket.send(f'{{"t":"ping","n":{number}}}'.encode())
        assert await socket.close_code() == 4006


async def test_a_socket_behind_which_too_much_waits_is_given_up_at_once(fans: Fans) -> None:
    sockets = fans.gateway.gateway.sockets
    async with await fans.raw_socket():
        *_, connection = sockets._open
        while connection.outbox._blocked_seconds is None:
            connection.outbox.put('"' + "x" * 100_000 + '"')
            await asyncio.sleep(0)
        connection.outbox.put('"' + "x" * OVERFLOW_BYTES + '"')
        await eventually(lambda: connection not in sockets._open, deadline_seconds=OVERFLOW_SECONDS / 4)


async def test_what_came_too_fast_is_not_done(tight: Fans) -> None:
    client = await tight.connect()
    for number in range(3):
        await client.send_raw(f'{{"t":"ping","n":{number}}}')
    err = await client.call("open", idem="open-0001", channel="deep-sea-lab")
    assert (err["t"], err["code"], err["retry"]) == ("err", "rate_limited", True)
    assert 5 <= err["after"] <= 10
    assert await tight.world.postgres.pool.fetchval("SELECT count(*) FROM chat") == 0


async def test_strikes_count_when_they_come_too_fast(tight: Fans) -> None:
    client = await tight.connect()
    for _ in range(10):
        await client.send_raw('{"t":"ping","n":1}')
    for _ in range(3):
        await client.send_raw("{}")
    assert await client.wait_closed() == 4500


async def test_a_smaller_text_limit_is_told_and_kept(tight: Fans) -> None:
    client, opened = await tight.chat()
    assert client.of("ready")[0]["limits"]["text"] == 10
    err = await client.call("send", k=opened["k"], idem="idem-0001", text="a" * 11)
    assert (err["code"], err["details"]) == ("too_large", {"limit": 10, "length": 11})


@pytest.mark.parametrize("filler", [" ", "\u00a0"], ids=["one byte each", "two bytes each"])
async def test_a_smaller_frame_limit_is_told_and_kept(tight: Fans, filler: str) -> None:
    client = await tight.connect(greet=False)
    start, end = '{"t":"hello","rid":1,"client":"', '"}'
    room = 2_000 - len(start) - len(end)
    width = len(filler.encode())
    await client.send_raw(start + "x" * (room % width) + filler * (room // width) + end)
    assert (await client.wait_for(of_kind("ready")))["limits"]["cmd"] == 2_000
    await client.send_raw(start + "x" * (room % width + 1) + filler * (room // width) + end)
    assert await client.wait_closed() == 1009


async def test_an_address_has_so_many_sockets_and_the_next_one_goes(tight: Fans) -> None:
    clients = [await tight.connect(greet=number == 0) for number in range(3)]  # who says nothing counts too
    fourth = await tight.connect(greet=False)
    assert await fourth.wait_closed() == 4505
    assert [client.close_code for client in clients] == [None, None, None]


async def test_a_socket_that_goes_makes_room_at_its_address(tight: Fans) -> None:
    for _ in range(3):
        clients = [await tight.connect() for _ in range(3)]
        clients[0].abort()
        for client in clients[1:]:
            await client.close()
        await eventually(lambda: not len(tight.gateway.gateway.sockets))


async def greeting(fans: Fans, sockets: AsyncExitStack, forwarded_for: str) -> str | int:
    """Open a socket with this X-Forwarded-For and leave it open; returns what hello was answered with."""
    cookie, origin = ("Cookie", await fans.cookie()), ("Origin", fans.gateway.url)
    socket = await sockets.enter_async_context(await fans.raw(cookie, origin, ("X-Forwarded-For", forwarded_for)))
    await socket.send(b'{"t":"hello","rid":1,"client":"raw/1"}')
    opcode, payload = await socket.next_raw()
    return int.from_bytes(payload[:2]) if opcode is Opcode.CLOSE else str(json.loads(payload)["t"])


async def test_a_header_of_the_client_makes_no_other_address(tight: Fans) -> None:
    async with AsyncExitStack() as sockets:
        for number in range(3):
            assert await greeting(tight, sockets, f"198.51.100.{number}") == "ready"
        assert await greeting(tight, sockets, "198.51.100.99") == 4505


async def test_addresses_of_one_subscriber_behind_our_proxy_count_together(behind_a_proxy: Fans) -> None:
    async with AsyncExitStack() as sockets:
        for host in ("2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:1:ffff::3"):
            assert await greeting(behind_a_proxy, sockets, host) == "ready"
        assert await greeting(behind_a_proxy, sockets, "2001:db8:0:1:aaaa:bbbb:cccc:dddd") == 4505
        assert await greeting(behind_a_proxy, sockets, "2001:db8:0:2::1") == "ready"


async def test_an_identity_has_sixteen_sockets_and_for_the_next_one_the_oldest_goes(fans: Fans) -> None:
    cookie = await fans.cookie()
    stranger = await fans.connect()
    clients = [await fans.connect(cookie) for _ in range(16)]
    assert all([await still_works(client) for client in clients])
    seventeenth = await fans.connect(cookie)
    assert await clients[0].wait_closed() == 4505
    assert all([await still_works(client) for client in [stranger, *clients[1:], seventeenth]])
    await fans.connect(cookie)
    assert await clients[1].wait_closed() == 4505


async def test_a_socket_follows_eight_chats_and_a_ninth_is_not_made(fans: Fans) -> None:
    client = await fans.connect()
    chats = await follow_eight(client)
    err = await client.call("open", idem="open-the-ninth", channel="deep-sea-lab")
    assert (err["t"], err["code"], err["retry"]) == ("err", "rate_limited", True)
    made = await fans.world.postgres.pool.fetchval(
        "SELECT count(*) FROM chat WHERE session_id = (SELECT session_id FROM chat WHERE id::text = $1)", chats[0]
    )
    assert made == 8


async def test_a_socket_follows_eight_chats_and_cannot_join_a_ninth(fans: Fans) -> None:
    cookie = await fans.cookie()
    ninth = await (await fans.connect(cookie)).open_chat("deep-sea-lab", "open-the-ninth")
    client = await fans.connect(cookie)
    await follow_eight(client)
    for err in (
        await client.call("sub", chat=ninth["chat"]),
        await client.call("open", idem="open-the-ninth", channel="deep-sea-lab"),
    ):
        assert (err["t"], err["code"]) == ("err", "rate_limited")
    assert (await client.call("unsub", k=1))["t"] == "ok"
    assert (await client.call("sub", chat=ninth["chat"]))["t"] == "opened"


async def test_a_socket_with_eight_chats_may_ask_for_them_again(fans: Fans) -> None:
    client = await fans.connect()
    chats = await follow_eight(client)
    for again in (
        await client.call("sub", chat=chats[2]),
        await client.call("open", idem="open-0002", channel="deep-sea-lab"),
    ):
        assert (again["t"], again["chat"], again["k"]) == ("opened", chats[2], 3)


async def test_a_socket_watches_eight_channels(fans: Fans, channels: list[str]) -> None:
    client = await fans.connect()
    for name in channels[:8]:
        assert (await client.call("watch", channel=name))["t"] == "ok"
    err = await client.call("watch", channel=channels[8])
    assert (err["t"], err["code"], err["retry"]) == ("err", "rate_limited", True)
    assert (await client.call("watch", channel=channels[0]))["t"] == "ok"
    assert (await client.call("unwatch", channel=channels[0]))["t"] == "ok"
    assert (await client.call("watch", channel=channels[8]))["t"] == "ok"


async def test_a_chat_can_be_opened_where_no_channel_more_can_be_watched(fans: Fans, channels: list[str]) -> None:
    client = await fans.connect()
    for name in channels[:8]:
        await client.call("watch", channel=name)
    opened = await client.open_chat("deep-sea-lab")
    assert (await client.ask(opened["k"], "Hello [[tokens=3 rate=0]]", "idem-0001"))["why"] == "stop"
    assert not client.of("credit", channel="deep-sea-lab")
