"""The same command again: it is done once, and answered as the first time, whatever has become of the chat."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

from tests.support.fans import Fans
from tests.support.socket_client import Frame, SocketClient, of_kind
from tests.support.token_texts import text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT: Final = "Hello [[tokens=3 rate=0 delay_ms=0]]"
SLOW: Final = "Hello [[tokens=60 rate=100 delay_ms=0]]"
EMPTY: Final = "Hello [[break=empty delay_ms=0]]"
CAP_TOKENS: Final = 50_000


async def leave_open(client: SocketClient, opened: Frame) -> str:
    await client.ask(opened["k"], SHORT, "idem-0001")
    return SHORT


async def leave_answering(client: SocketClient, opened: Frame) -> str:
    assert (await client.call("send", k=opened["k"], idem="idem-0001", text=SLOW))["t"] == "ok"
    await client.wait_for(of_kind("d"))
    return SLOW


async def leave_full(client: SocketClient, opened: Frame) -> str:
    text = text_of(opened["usage"]["left"] - 20, "[[tokens=100 rate=0 delay_ms=0]]")
    await client.ask(opened["k"], text, "idem-0001")
    assert client.of("limit")
    return text


async def leave_closed(client: SocketClient, opened: Frame) -> str:
    await client.ask(opened["k"], SHORT, "idem-0001")
    assert (await client.call("close", k=opened["k"]))["t"] == "ok"
    return SHORT


async def leave_refunded(client: SocketClient, opened: Frame) -> str:
    await client.ask(opened["k"], EMPTY, "idem-0001")
    await client.wait_for(of_kind("closed", why="refunded"))
    return EMPTY


Leave = Callable[[SocketClient, Frame], Awaitable[str]]
STATES: Final[dict[str, Leave]] = {
    "open": leave_open,
    "answering": leave_answering,
    "full": leave_full,
    "closed": leave_closed,
    "refunded": leave_refunded,
}
ENDED: Final = {state: leave for state, leave in STATES.items() if state != "answering"}


@pytest.mark.parametrize("leave", STATES.values(), ids=STATES.keys())
async def test_a_message_that_is_sent_again_is_the_same_message(fans: Fans, leave: Leave) -> None:
    client, opened = await fans.chat()
    text = await leave(client, opened)
    first = client.of("ok", seq=1)[0]
    for _ in range(2):
        again = await client.call("send", k=opened["k"], idem="idem-0001", text=text)
        assert (again["t"], again["msg"], again["seq"], again["dup"]) == ("ok", first["msg"], 1, True)
    await client.wait_for(of_kind("done"))
    assert len((await fans.written(opened["chat"])).messages) == 2
    assert len(client.of("user")) == 1


@pytest.mark.parametrize("leave", STATES.values(), ids=STATES.keys())
async def test_another_text_under_the_same_idem_is_a_conflict(fans: Fans, leave: Leave) -> None:
    client, opened = await fans.chat()
    await leave(client, opened)
    err = await client.call("send", k=opened["k"], idem="idem-0001", text="Something else")
    assert (err["t"], err["code"], err["retry"], err["k"]) == ("err", "conflict", False, opened["k"])
    await client.wait_for(of_kind("done"))
    assert len((await fans.written(opened["chat"])).messages) == 2


@pytest.mark.parametrize("leave", ENDED.values(), ids=ENDED.keys())
async def test_a_message_of_a_chat_that_memory_has_forgotten_is_the_same_message(fans: Fans, leave: Leave) -> None:
    cookie = await fans.cookie()
    first = await fans.connect(cookie)
    opened = await first.open_chat("deep-sea-lab")
    text = await leave(first, opened)
    message = first.of("ok", seq=1)[0]["msg"]
    before = await fans.written(opened["chat"])
    await first.close()
    await fans.forget_chats()
    second = await fans.connect(cookie)
    k = (await second.call("sub", chat=opened["chat"]))["k"]
    again = await second.call("send", k=k, idem="idem-0001", text=text)
    assert (again["t"], again["msg"], again["dup"], "seq" in again) == ("ok", message, True, False)
    other = await second.call("send", k=k, idem="idem-0001", text="Something else")
    assert (other["t"], other["code"]) == ("err", "conflict")
    assert await fans.written(opened["chat"]) == before


async def test_a_message_that_is_sent_many_times_at_once_is_charged_and_answered_once(fans: Fans) -> None:
    cookie = await fans.cookie()
    clients = [await fans.connect(cookie) for _ in range(4)]
    opened = [await client.open_chat("deep-sea-lab") for client in clients]
    assert len({one["chat"] for one in opened}) == 1
    replies = await asyncio.gather(
        *(
            client.call("send", k=one["k"], idem="idem-0001", text=SHORT)
            for client, one in zip(clients, opened, strict=True)
            for _ in range(4)
        )
    )
    assert {reply["t"] for reply in replies} == {"ok"}
    assert len({reply["msg"] for reply in replies}) == 1
    assert sum("dup" not in reply for reply in replies) == 1
    for client in clients:
        await client.wait_for(of_kind("done"))
        assert [len(client.of(kind)) for kind in ("user", "start", "done")] == [1, 1, 1]
    written = await fans.written(opened[0]["chat"])
    assert (len(written.messages), written.charges) == (2, [("CHAT", -1)])


async def test_two_texts_under_one_idem_at_once_are_one_message_and_a_conflict(fans: Fans) -> None:
    client, opened = await fans.chat()
    replies = await asyncio.gather(
        client.call("send", k=opened["k"], idem="idem-0001", text=f"{SHORT} one"),
        client.call("send", k=opened["k"], idem="idem-0001", text=f"{SHORT} two"),
    )
    assert sorted(reply.get("code", "ok") for reply in replies) == ["conflict", "ok"]
    await client.wait_for(of_kind("done"))
    assert (await fans.written(opened["chat"])).charges == [("CHAT", -1)]


async def test_one_idem_is_free_in_every_chat(fans: Fans) -> None:
    client, opened = await fans.chat()
    other = await client.open_chat("deep-sea-lab", "open-0002")
    first = await client.ask(opened["k"], SHORT, "idem-0001")
    second = await client.ask(other["k"], SHORT, "idem-0001")
    assert first["id"] != second["id"]


async def test_a_refused_message_may_be_sent_again_with_another_text(fans: Fans) -> None:
    client, opened = await fans.chat()
    assert (await client.call("send", k=opened["k"], idem="idem-0001", text=""))["t"] == "err"
    assert (await client.ask(opened["k"], SHORT, "idem-0001"))["why"] == "stop"


async def test_an_open_that_is_repeated_is_the_same_new_chat(fans: Fans) -> None:
    client, opened = await fans.chat()
    again = await client.open_chat("deep-sea-lab")
    assert (again["chat"], again["k"], again["mode"]) == (opened["chat"], opened["k"], "new")


async def test_an_open_that_is_repeated_later_shows_what_was_said(fans: Fans) -> None:
    cookie = await fans.cookie()
    first = await fans.connect(cookie)
    opened = await first.open_chat("deep-sea-lab")
    await first.ask(opened["k"], SHORT, "idem-0001")
    second = await fans.connect(cookie)
    again = await second.open_chat("deep-sea-lab")
    assert (again["chat"], again["mode"]) == (opened["chat"], "snapshot")
    assert [message["type"] for message in again["msgs"]] == ["user", "ai"]


async def test_an_open_that_is_sent_many_times_at_once_makes_one_chat(fans: Fans) -> None:
    cookie = await fans.cookie()
    clients = [await fans.connect(cookie) for _ in range(8)]
    opened = await asyncio.gather(*(client.open_chat("deep-sea-lab") for client in clients))
    assert len({one["chat"] for one in opened}) == 1
    done = await clients[0].ask(opened[0]["k"], SHORT, "idem-0001")
    for client in clients[1:]:
        assert (await client.wait_for(of_kind("done")))["id"] == done["id"]


async def test_an_open_of_another_channel_under_the_same_idem_is_a_conflict(fans: Fans) -> None:
    client, _ = await fans.chat()
    err = await client.call("open", idem="open-0001", channel="night-kitchen")
    assert (err["t"], err["code"], err["retry"]) == ("err", "conflict", False)


async def test_a_channel_may_be_named_otherwise_in_the_repeated_open(fans: Fans) -> None:
    client, opened = await fans.chat()
    for channel in (str(fans.world.on_air), "Deep-Sea-Lab"):
        assert (await client.open_chat(channel))["chat"] == opened["chat"]


async def test_two_visitors_may_use_one_open_idem(fans: Fans) -> None:
    _, one = await fans.chat()
    _, other = await fans.chat()
    assert one["chat"] != other["chat"]


async def test_a_stop_that_is_repeated_is_ok(fans: Fans) -> None:
    client, opened = await fans.chat()
    await leave_answering(client, opened)
    answer = client.of("start")[0]["id"]
    for _ in range(3):
        assert (await client.call("stop", k=opened["k"], msg=answer))["t"] == "ok"
    assert (await client.wait_for(of_kind("done")))["why"] == "user_stop"


async def test_a_close_that_is_repeated_is_ok_and_told_once(fans: Fans) -> None:
    client, opened = await fans.chat()
    for _ in range(3):
        assert (await client.call("close", k=opened["k"]))["t"] == "ok"
    assert [frame["why"] for frame in client.of("closed")] == ["user"]
    err = await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT)
    assert (err["t"], err["code"], err["retry"]) == ("err", "closed", False)
    written = await fans.written(opened["chat"])
    assert (written.state, written.messages, written.charges) == ("CLOSED", [], [])


async def test_a_chat_that_is_closed_while_it_answers_keeps_what_there_is(fans: Fans) -> None:
    client, opened = await fans.chat()
    await leave_answering(client, opened)
    assert (await client.call("close", k=opened["k"]))["t"] == "ok"
    kinds = [frame["t"] for frame in client.frames if frame["t"] in {"done", "closed"}]
    assert kinds == ["done", "closed"]
    written = await fans.written(opened["chat"])
    assert (written.state, written.credit_state, written.messages[1][1]) == ("CLOSED", "SPENT", "STOPPED")


async def test_an_unwatch_that_is_repeated_is_ok(fans: Fans) -> None:
    client = await fans.connect()
    for _ in range(2):
        assert (await client.call("unwatch", channel="deep-sea-lab"))["t"] == "ok"
