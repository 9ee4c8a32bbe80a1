"""Postgres does not answer for a while: `unavailable`, nothing half done, and the same command works afterwards."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.support.fans import Fans, still_works
from tests.support.gateways import local_gateway
from tests.support.socket_client import SocketClient, of_kind
from tests.support.waiting import eventually
from tests.support.world import made_world

SHORT: Final = "Hello [[tokens=3 rate=0 delay_ms=0]]"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@contextlib.asynccontextmanager
async def locked(fans: Fans, table: str) -> AsyncIterator[None]:
    """Nobody can read this table meanwhile; who tries is given up on by Postgres after two seconds."""
    async with fans.world.postgres.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


async def test_a_hello_that_met_an_outage_may_be_said_again(fans: Fans) -> None:
    client = await fans.connect(greet=False)
    async with locked(fans, "session"):
        hello = await client.command("hello", client="test/1")
        impatient = await client.command("open", idem="open-0001", channel="deep-sea-lab")
        err = await client.wait_for(of_kind("err", rid=hello))
        assert (err["code"], err["retry"]) == ("unavailable", True)
        assert (await client.wait_for(of_kind("err", rid=impatient)))["code"] == "unauthorized"
    assert (await client.hello())["t"] == "ready"
    assert (await client.open_chat("deep-sea-lab"))["mode"] == "new"


async def test_a_client_that_does_not_repeat_its_hello_is_sent_away_to_come_back(fans: Fans) -> None:
    client = await fans.connect(greet=False)
    async with locked(fans, "session"):
        assert (await client.hello())["code"] == "unavailable"
    assert await client.wait_closed() == 4008


async def test_a_watch_that_met_an_outage_is_answered_once_and_may_be_repeated(fans: Fans) -> None:
    client = await fans.connect()
    async with locked(fans, "credit_entry"):
        err = await client.call("watch", channel="night-kitchen")
        assert (err["t"], err["code"], err["retry"]) == ("err", "unavailable", True)
    assert not client.of("ok")
    assert (await client.call("watch", channel="night-kitchen"))["t"] == "ok"
    assert (await client.wait_for(of_kind("credit", channel="night-kitchen")))["why"] == "now"


async def test_an_open_that_met_an_outage_is_answered_once_and_may_be_repeated(fans: Fans) -> None:
    client = await fans.connect()
    async with locked(fans, "credit_entry"):
        err = await client.call("open", idem="open-0001", channel="deep-sea-lab")
        assert (err["t"], err["code"], err["retry"]) == ("err", "unavailable", True)
    assert not client.of("opened")
    assert (await client.open_chat("deep-sea-lab"))["mode"] == "new"


async def test_a_send_that_met_an_outage_is_answered_once_and_may_be_repeated(fans: Fans) -> None:
    client, opened = await fans.chat()
    async with locked(fans, "message"):
        err = await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT)
        assert (err["t"], err["code"], err["retry"]) == ("err", "unavailable", True)
    assert (await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT))["t"] == "ok"
    assert (await client.wait_for(of_kind("done")))["why"] == "stop"
    written = await fans.written(opened["chat"])
    assert (len(written.messages), written.charges) == (2, [("CHAT", -1)])


async def test_a_socket_whose_commands_wait_too_long_is_told_to_slow_down(postgres_url: str, redis_url: str) -> None:
    async with (
        made_world(postgres_url, redis_url) as world,
        local_gateway(postgres_url, redis_url, settings={"ws.commands_burst": "1000"}) as gateway,
    ):
        fans = Fans(gateway, world)
        client = await gateway.connect()
        async with locked(fans, "channel"):
            rids = [await client.command("watch", channel="night-kitchen") for _ in range(80)]
            err = await client.wait_for(of_kind("err", code="overloaded"))
            assert (err["retry"], err["after"]) == (True, 1)
            assert await still_works(client)
        await eventually(lambda: set(rids) <= set(answered(client)))
        assert set(answered(client).values()) == {1}


def answered(client: SocketClient) -> Counter[int]:
    """How often each command was answered."""
    return Counter(frame["rid"] for frame in client.frames if "rid" in frame)


async def test_a_mistake_of_ours_is_internal_stores_nothing_and_leaves_the_socket(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        made_world(postgres_url, redis_url) as world,
        local_gateway(postgres_url, redis_url) as gateway,
    ):
        fans = Fans(gateway, world)
        client = await gateway.connect()
        opened = await client.open_chat("deep-sea-lab")
        await world.postgres.pool.execute("ALTER TABLE message RENAME TO mislaid")
        err = await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT)
        assert (err["t"], err["code"], err["retry"]) == ("err", "internal", False)
        await world.postgres.pool.execute("ALTER TABLE mislaid RENAME TO message")
        await fans.assert_untouched(opened)
        assert (await client.ask(opened["k"], SHORT, "idem-0001"))["why"] == "stop"
