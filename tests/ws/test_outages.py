"""Postgres does not answer for a while: `unavailable`, nothing half done, and the same command works afterwards."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.support.fans import Fans
from tests.support.socket_client import of_kind

pytestmark = pytest.mark.asyncio(loop_scope="module")


@contextlib.asynccontextmanager
async def locked(fans: Fans, table: str) -> AsyncIterator[None]:
    """Nobody can read this table meanwhile; who tries is given up on by Postgres after two seconds."""
    async with fans.world.postgres.pool.acquire() as connection, connection.transaction():
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
    text = "Hello [[tokens=3 rate=0 delay_ms=0]]"
    async with locked(fans, "message"):
        err = await client.call("send", k=opened["k"], idem="idem-0001", text=text)
        assert (err["t"], err["code"], err["retry"]) == ("err", "unavailable", True)
    assert (await client.call("send", k=opened["k"], idem="idem-0001", text=text))["t"] == "ok"
    assert (await client.wait_for(of_kind("done")))["why"] == "stop"
    written = await fans.written(opened["chat"])
    assert (len(written.messages), written.charges) == (2, [("CHAT", -1)])
