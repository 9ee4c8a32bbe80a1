"""Who may send, and when: channels off air, credits, answers that run, visitors and their quota."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final
from uuid import UUID

import pytest
import pytest_asyncio

from server.chats.housekeeping import Housekeeping
from tests.support.fans import Fans, still_works
from tests.support.gateways import local_gateway
from tests.support.socket_client import Frame, SocketClient, of_kind
from tests.support.waiting import eventually
from tests.support.world import made_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT: Final = "Hello [[tokens=3 rate=0 delay_ms=0]]"
SLOW: Final = "Hello [[tokens=30 rate=100 delay_ms=0]]"


async def test_what_is_answered_ok_is_stored_and_charged_and_told_in_order(fans: Fans) -> None:
    client, opened = await fans.chat()
    ok = await client.call("send", k=opened["k"], idem="idem-0001", text=SLOW)
    written = await fans.written(opened["chat"])
    assert (ok["t"], written.messages[0], written.charges) == ("ok", ("USER", "DONE", SLOW), [("CHAT", -1)])
    await client.wait_for(of_kind("done"))
    told = [frame["t"] for frame in client.frames if frame["t"] in {"ok", "user", "start", "done"}]
    assert told == ["ok", "user", "start", "done"]


async def test_no_token_leaves_before_the_credit_is_spent(fans: Fans) -> None:
    client, opened = await fans.chat()
    assert (await client.call("send", k=opened["k"], idem="idem-0001", text=SLOW))["t"] == "ok"
    await client.wait_for(of_kind("d"))
    assert (await fans.written(opened["chat"])).credit_state == "SPENT"
    await client.wait_for(of_kind("done"))


async def test_a_channel_off_air_takes_no_chat_but_gives_back_one_that_was_opened(fans: Fans) -> None:
    client, opened = await fans.chat()
    await fans.take_off_air()
    err = await client.call("open", idem="open-0002", channel="deep-sea-lab")
    assert (err["t"], err["code"], err["retry"]) == ("err", "channel_inactive", False)
    assert (await client.call("open", idem="open-0001", channel="deep-sea-lab"))["chat"] == opened["chat"]


async def test_a_channel_off_air_takes_no_first_message_until_it_is_back(fans: Fans) -> None:
    client, opened = await fans.chat()
    await fans.take_off_air()
    err = await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT)
    assert (err["t"], err["code"], err["retry"]) == ("err", "channel_inactive", False)
    await fans.assert_untouched(opened)
    await fans.put_on_air()
    assert (await client.ask(opened["k"], SHORT, "idem-0001"))["why"] == "stop"


async def test_a_channel_off_air_takes_no_later_message_until_it_is_back(fans: Fans) -> None:
    client, opened = await fans.chat()
    await client.ask(opened["k"], SHORT, "idem-0001")
    before = await fans.written(opened["chat"])
    await fans.take_off_air()
    err = await client.call("send", k=opened["k"], idem="idem-0002", text=SHORT)
    assert (err["t"], err["code"]) == ("err", "channel_inactive")
    assert await fans.written(opened["chat"]) == before
    await fans.put_on_air()
    assert (await client.ask(opened["k"], SHORT, "idem-0002"))["why"] == "stop"


async def test_without_a_credit_the_first_message_is_refused_until_there_is_one(fans: Fans) -> None:
    client, opened = await fans.chat()
    await fans.world.set_balance(0)
    err = await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT)
    assert (err["t"], err["code"], err["retry"]) == ("err", "no_credit", False)
    await fans.assert_untouched(opened)
    await fans.world.set_balance(1)
    assert (await client.ask(opened["k"], SHORT, "idem-0001"))["why"] == "stop"
    assert (await fans.written(opened["chat"])).charges == [("CHAT", -1)]


async def test_without_a_credit_a_chat_that_was_charged_goes_on(fans: Fans) -> None:
    client, opened = await fans.chat()
    await client.ask(opened["k"], SHORT, "idem-0001")
    await fans.world.set_balance(0)
    assert (await client.ask(opened["k"], SHORT, "idem-0002"))["why"] == "stop"


async def test_the_last_credit_goes_to_one_of_many(fans: Fans) -> None:
    chats = [await fans.chat() for _ in range(8)]
    await fans.world.set_balance(1)
    replies = await asyncio.gather(
        *(client.call("send", k=opened["k"], idem="idem-0001", text=SHORT) for client, opened in chats)
    )
    assert sorted(reply.get("code", "ok") for reply in replies) == ["no_credit"] * 7 + ["ok"]
    for (client, opened), reply in zip(chats, replies, strict=True):
        if reply["t"] == "ok":
            await client.wait_for(of_kind("done"))
        else:
            await fans.assert_untouched(opened)
    assert await fans.world.balance() == 0


async def test_a_chat_that_is_answering_is_busy_for_a_second_message(fans: Fans) -> None:
    client, opened = await fans.chat()
    k = opened["k"]
    assert (await client.call("send", k=k, idem="idem-0001", text=SLOW))["t"] == "ok"
    err = await client.call("send", k=k, idem="idem-0002", text=SHORT)
    assert (err["t"], err["code"], err["retry"], err["k"]) == ("err", "busy", True, k)
    await client.wait_for(of_kind("done"))
    assert len((await fans.written(opened["chat"])).messages) == 2
    assert (await client.ask(k, SHORT, "idem-0002"))["why"] == "stop"


async def test_of_two_first_messages_at_once_one_is_taken_and_charged(fans: Fans) -> None:
    client, opened = await fans.chat()
    first, second = await asyncio.gather(
        client.call("send", k=opened["k"], idem="idem-0001", text=SLOW),
        client.call("send", k=opened["k"], idem="idem-0002", text=SLOW),
    )
    assert sorted([first["t"], second["t"]]) == ["err", "ok"]
    assert client.of("err")[0]["code"] == "busy"
    await client.wait_for(of_kind("done"))
    written = await fans.written(opened["chat"])
    assert (len(written.messages), written.charges) == (2, [("CHAT", -1)])


async def test_a_visitor_has_one_answer_at_a_time_over_all_chats_and_sockets(fans: Fans) -> None:
    cookie = await fans.cookie()
    one, other = await fans.connect(cookie), await fans.connect(cookie)
    first = await one.open_chat("deep-sea-lab", "open-0001")
    second = await other.open_chat("deep-sea-lab", "open-0002")
    assert (await one.call("send", k=first["k"], idem="idem-0001", text=SLOW))["t"] == "ok"
    err = await other.call("send", k=second["k"], idem="idem-0001", text=SHORT)
    assert (err["t"], err["code"], err["retry"]) == ("err", "busy", True)
    await fans.assert_untouched(second)
    await one.wait_for(of_kind("done"))
    assert (await other.ask(second["k"], SHORT, "idem-0001"))["why"] == "stop"


async def test_an_answer_goes_on_when_its_chat_is_given_up_and_tells_that_socket_nothing(fans: Fans) -> None:
    client, opened = await fans.chat()
    sent = await client.command("send", k=opened["k"], idem="idem-0001", text=SLOW)
    given_up = await client.call("unsub", k=opened["k"])
    assert given_up["t"] == "ok"
    assert (await client.wait_for(lambda frame: frame.get("rid") == sent))["t"] == "ok"
    after = len(client.frames)

    async def is_answered() -> bool:
        return (await fans.written(opened["chat"])).state == "OPEN"

    await eventually(is_answered)
    assert await still_works(client)
    assert not [frame for frame in client.frames[after:] if "s" in frame]
    assert [status for _, status, _ in (await fans.written(opened["chat"])).messages] == ["DONE", "DONE"]


async def test_two_visitors_do_not_make_each_other_busy(fans: Fans) -> None:
    chats = [await fans.chat() for _ in range(3)]
    for client, opened in chats:
        assert (await client.call("send", k=opened["k"], idem="idem-0001", text=SLOW))["t"] == "ok"
    for client, _ in chats:
        assert (await client.wait_for(of_kind("done")))["why"] == "stop"


@pytest_asyncio.fixture(loop_scope="module")
async def three_a_day(postgres_url: str, redis_url: str) -> AsyncIterator[Fans]:
    """Visitors of a gateway on which they may start three chats a day."""
    settings = {"chat.visitor_chats_per_day": "3", "ws.commands_burst": "1000"}
    async with (
        made_world(postgres_url, redis_url) as world,
        local_gateway(postgres_url, redis_url, settings=settings) as gateway,
    ):
        fans = Fans(gateway, world)
        yield fans
        await fans.close_all()


async def start_chats(client: SocketClient, texts: Sequence[str]) -> Frame:
    """Open a chat for each text and send it, one after the other; returns the last chat's `opened`. All are taken."""
    for number, text in enumerate(texts):
        opened = await client.open_chat("deep-sea-lab", f"open-{number:04}")
        assert (await client.ask(opened["k"], text, "idem-0001"))["t"] == "done"
    return opened


async def test_a_visitors_third_chat_of_the_day_is_taken_and_the_fourth_is_not(three_a_day: Fans) -> None:
    client = await three_a_day.connect()
    await start_chats(client, [SHORT, SHORT, SHORT])
    fourth = await client.open_chat("deep-sea-lab", "open-the-fourth")
    err = await client.call("send", k=fourth["k"], idem="idem-0001", text=SHORT)
    assert (err["t"], err["code"], err["retry"], err["details"]) == ("err", "quota_exceeded", False, {"limit": 3})
    assert 0 < err["after"] <= 86_400
    await three_a_day.assert_untouched(fourth)
    assert await three_a_day.world.balance() == 47


async def test_a_new_session_does_not_reset_the_quota_of_its_address(three_a_day: Fans) -> None:
    await start_chats(await three_a_day.connect(), [SHORT, SHORT, SHORT])
    client, opened = await three_a_day.chat()
    err = await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT)
    assert (err["t"], err["code"]) == ("err", "quota_exceeded")
    await three_a_day.assert_untouched(opened)


async def test_a_chat_that_was_charged_goes_on_when_the_quota_is_used_up(three_a_day: Fans) -> None:
    client = await three_a_day.connect()
    third = await start_chats(client, [SHORT, SHORT, SHORT])
    assert (await client.ask(third["k"], SHORT, "idem-0002"))["why"] == "stop"


async def test_opening_chats_uses_nothing_up(three_a_day: Fans) -> None:
    client = await three_a_day.connect()
    for number in range(4):
        await client.open_chat("deep-sea-lab", f"unused-{number:04}")
    await start_chats(client, [SHORT, SHORT, SHORT])


async def test_a_failure_of_the_provider_gives_the_quota_back(three_a_day: Fans) -> None:
    client = await three_a_day.connect()
    await start_chats(
        client, [SHORT, "Hello [[break=500 delay_ms=0]]", "Hello [[break=empty delay_ms=0]]", SHORT, SHORT]
    )
    opened = await client.open_chat("deep-sea-lab", "open-one-more")
    assert (await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT))["code"] == "quota_exceeded"


async def test_what_the_visitor_stopped_counts(three_a_day: Fans) -> None:
    client = await three_a_day.connect()
    opened = await start_chats(client, [SHORT, SHORT])
    opened = await client.open_chat("deep-sea-lab", "open-to-be-stopped")
    assert (await client.call("send", k=opened["k"], idem="idem-0001", text="Hello [[delay_ms=60000]]"))["t"] == "ok"
    start = await client.wait_for(of_kind("start", k=opened["k"]))
    assert (await client.call("stop", k=opened["k"], msg=start["id"]))["t"] == "ok"
    assert (await client.wait_for(of_kind("closed", k=opened["k"])))["why"] == "refunded"
    opened = await client.open_chat("deep-sea-lab", "open-one-more")
    assert (await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT))["code"] == "quota_exceeded"


async def test_a_message_that_is_sent_again_counts_once(three_a_day: Fans) -> None:
    client = await three_a_day.connect()
    opened = await start_chats(client, [SHORT, SHORT])
    for _ in range(3):
        assert (await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT))["dup"]
    third = await client.open_chat("deep-sea-lab", "open-the-third")
    assert (await client.ask(third["k"], SHORT, "idem-0001"))["why"] == "stop"


async def test_where_visitors_may_not_chat_they_may_read(postgres_url: str, redis_url: str) -> None:
    settings = {"chat.visitors_allowed": "false"}
    async with (
        made_world(postgres_url, redis_url) as world,
        local_gateway(postgres_url, redis_url, settings=settings) as gateway,
    ):
        client = await gateway.connect()
        err = await client.call("open", idem="open-0001", channel="deep-sea-lab")
        assert (err["t"], err["code"], err["retry"]) == ("err", "forbidden", False)
        assert (await client.call("watch", channel="deep-sea-lab"))["t"] == "ok"
        assert await world.postgres.pool.fetchval("SELECT count(*) FROM chat") == 0


@pytest.mark.parametrize("is_in_memory", [True, False], ids=["in memory", "let go of"])
async def test_a_chat_that_was_tidied_away_is_not_found(fans: Fans, *, is_in_memory: bool) -> None:
    client, opened = await fans.chat()
    pool, chat_side = fans.world.postgres.pool, fans.gateway.gateway
    await pool.execute(
        "UPDATE chat SET created_at = created_at - interval '2 days' WHERE id = $1", UUID(opened["chat"])
    )
    assert await Housekeeping(fans.world.postgres).tidy() == 1
    if not is_in_memory:
        await eventually(lambda: chat_side.live_chats.held(UUID(opened["chat"])) is None)
    err = await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT)
    assert (err["t"], err["code"], err["retry"]) == ("err", "not_found", False)
    assert (await client.call("close", k=opened["k"]))["code"] == "not_found"
