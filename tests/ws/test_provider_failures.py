"""The provider fails after the message was taken: never a late `err`, always an end, and the credit goes back only
when no token has left."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest
import pytest_asyncio

from tests.support.fans import Fans, still_works
from tests.support.gateways import SCRIPTED, local_gateway
from tests.support.socket_client import ChatView, Frame, SocketClient, of_kind
from tests.support.world import made_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT: Final = "Hello [[tokens=3 rate=0 delay_ms=0]]"
NO_TOKEN: Final = {
    "401": ("[[break=401 delay_ms=0]]", "error"),
    "429": ("[[break=429 delay_ms=0]]", "error"),
    "500": ("[[break=500 delay_ms=0]]", "error"),
    "an error in the stream": ("[[break=error fail_at=1 delay_ms=0]]", "error"),
    "a cut stream": ("[[break=cut fail_at=1 delay_ms=0]]", "error"),
    "garbage": ("[[break=garbage fail_at=1 delay_ms=0]]", "error"),
    "an empty answer": ("[[break=empty delay_ms=0]]", "error"),
    "a filter": ("[[tokens=0 break=filter delay_ms=0]]", "filter"),
}
SOME_TOKENS: Final = {
    "an error in the stream": ("[[break=error fail_at=4 rate=0 delay_ms=0]]", "error"),
    "a cut stream": ("[[break=cut fail_at=4 rate=0 delay_ms=0]]", "error"),
    "garbage": ("[[break=garbage fail_at=4 rate=0 delay_ms=0]]", "error"),
    "one token and an error": ("[[fail_at=2 rate=0 delay_ms=0]]", "error"),
    "a filter": ("[[tokens=3 break=filter rate=0 delay_ms=0]]", "filter"),
}


def kinds_of(client: SocketClient, opened: Frame) -> list[str]:
    """What has happened in the chat, without its deltas and figures."""
    told = {"user", "start", "near", "limit", "done", "closed", "snap"}
    return [frame["t"] for frame in client.frames if frame.get("k") == opened["k"] and frame["t"] in told]


async def ask(client: SocketClient, opened: Frame, text: str, idem: str = "idem-0001") -> Frame:
    """Send, and check that the client is told in order: `ok`, then an answer that begins and ends. Returns `done`."""
    after = len(client.frames)
    done = await client.ask(opened["k"], f"Hello {text}", idem)
    assert await still_works(client)
    view = ChatView(opened["k"], last=0)
    for frame in client.frames:
        view.apply(frame)
    assert not [frame for frame in client.frames[after:] if frame["t"] == "err"]
    return done


@pytest.mark.parametrize(("text", "why"), NO_TOKEN.values(), ids=NO_TOKEN.keys())
async def test_a_first_answer_without_a_token_is_refunded_and_ends_the_chat(fans: Fans, text: str, why: str) -> None:
    balance = await fans.world.balance()
    client, opened = await fans.chat()
    done = await ask(client, opened, text)
    assert (done["why"], done["len"]) == (why, 0)
    assert (await client.wait_for(of_kind("closed", k=opened["k"])))["why"] == "refunded"
    assert kinds_of(client, opened) == ["user", "start", "done", "closed"]
    assert not client.of("d")
    assert (await client.wait_for(of_kind("credit", why="refund")))["balance"] == balance
    written = await fans.written(opened["chat"])
    assert (written.state, written.credit_state) == ("CLOSED", "REFUNDED")
    assert written.charges == [("CHAT", -1), ("REFUND", 1)]
    assert written.messages[1] == ("AI", "FAILED", "")


async def test_a_refunded_chat_takes_no_message_and_can_still_be_read(fans: Fans) -> None:
    cookie = await fans.cookie()
    client = await fans.connect(cookie)
    opened = await client.open_chat("deep-sea-lab")
    await ask(client, opened, "[[break=500 delay_ms=0]]")
    before = await fans.written(opened["chat"])
    err = await client.call("send", k=opened["k"], idem="idem-0002", text=SHORT)
    assert (err["t"], err["code"], err["retry"]) == ("err", "closed", False)
    assert await fans.written(opened["chat"]) == before
    seen = await (await fans.connect(cookie)).call("sub", chat=opened["chat"])
    assert (seen["state"], seen["credit"]["state"]) == ("closed", "refunded")
    assert [message["status"] for message in seen["msgs"]] == ["done", "failed"]


async def test_the_same_text_in_a_new_chat_is_answered(fans: Fans) -> None:
    client, opened = await fans.chat()
    await ask(client, opened, "[[break=500 delay_ms=0]]")
    again = await client.open_chat("deep-sea-lab", "open-again")
    assert (await client.ask(again["k"], SHORT, "idem-0001"))["why"] == "stop"


@pytest.mark.parametrize(("text", "why"), SOME_TOKENS.values(), ids=SOME_TOKENS.keys())
async def test_a_first_answer_that_has_begun_is_not_refunded(fans: Fans, text: str, why: str) -> None:
    client, opened = await fans.chat()
    done = await ask(client, opened, text)
    assert done["why"] == why
    assert done["len"] > 0
    assert kinds_of(client, opened) == ["user", "start", "done"]
    written = await fans.written(opened["chat"])
    assert (written.state, written.credit_state, written.charges) == ("OPEN", "SPENT", [("CHAT", -1)])
    assert written.messages[1][:2] == ("AI", "FAILED")
    assert len(written.messages[1][2]) == done["len"]
    assert written.tokens_used == done["usage"]["used"]


@pytest.mark.parametrize(("text", "why"), NO_TOKEN.values(), ids=NO_TOKEN.keys())
async def test_a_later_answer_without_a_token_only_ends(fans: Fans, text: str, why: str) -> None:
    client, opened = await fans.chat()
    await client.ask(opened["k"], SHORT, "idem-0001")
    done = await ask(client, opened, text, "idem-0002")
    assert (done["why"], done["len"]) == (why, 0)
    assert (await client.ask(opened["k"], SHORT, "idem-0003"))["why"] == "stop"
    assert kinds_of(client, opened) == ["user", "start", "done"] * 3
    written = await fans.written(opened["chat"])
    assert (written.state, written.credit_state, written.charges) == ("OPEN", "SPENT", [("CHAT", -1)])
    assert written.messages[3] == ("AI", "FAILED", "")


@pytest.mark.parametrize("text", ["[[break=nul rate=0 delay_ms=0]]", "[[break=surrogates rate=0 delay_ms=0]]"])
async def test_characters_that_cannot_be_stored_are_replaced_before_they_are_sent(fans: Fans, text: str) -> None:
    client, opened = await fans.chat()
    assert (await ask(client, opened, text))["why"] == "stop"
    content = (await fans.written(opened["chat"])).messages[1][2]
    assert "\ufffd" in content
    assert "\0" not in content
    assert content == "".join(frame["x"] for frame in client.of("d"))


async def test_a_stop_before_the_first_token_refunds(fans: Fans) -> None:
    client, opened = await fans.chat()
    assert (await client.call("send", k=opened["k"], idem="idem-0001", text="Hello [[delay_ms=60000]]"))["t"] == "ok"
    start = await client.wait_for(of_kind("start"))
    assert (await client.call("stop", k=opened["k"], msg=start["id"]))["t"] == "ok"
    assert (await client.wait_for(of_kind("done")))["why"] == "user_stop"
    assert (await client.wait_for(of_kind("closed")))["why"] == "refunded"
    assert (await fans.written(opened["chat"])).charges == [("CHAT", -1), ("REFUND", 1)]


async def test_an_answer_that_stalls_can_be_stopped_and_is_kept(fans: Fans) -> None:
    client, opened = await fans.chat()
    text = "Hello [[break=stall fail_at=4 rate=0 delay_ms=0]]"
    assert (await client.call("send", k=opened["k"], idem="idem-0001", text=text))["t"] == "ok"
    await client.wait_for(lambda frame: frame["t"] == "d" and frame["s"] == 5)
    assert (await client.call("stop", k=opened["k"], msg=client.of("start")[0]["id"]))["t"] == "ok"
    assert (await client.wait_for(of_kind("done")))["why"] == "user_stop"
    written = await fans.written(opened["chat"])
    assert (written.state, written.credit_state) == ("OPEN", "SPENT")
    assert written.messages[1] == ("AI", "STOPPED", "".join(frame["x"] for frame in client.of("d")))


@pytest_asyncio.fixture(loop_scope="module")
async def impatient(postgres_url: str, redis_url: str) -> AsyncIterator[Fans]:
    """Visitors of a gateway that waits a moment only for the first token."""
    model = replace(SCRIPTED, first_token_timeout_seconds=0.2)
    async with (
        made_world(postgres_url, redis_url) as world,
        local_gateway(postgres_url, redis_url, model=model) as gateway,
    ):
        fans = Fans(gateway, world)
        yield fans
        await fans.close_all()


async def test_a_first_token_that_does_not_come_in_time_is_an_error_and_refunded(impatient: Fans) -> None:
    client, opened = await impatient.chat()
    assert (await ask(client, opened, "[[break=stall fail_at=1 delay_ms=0]]"))["why"] == "error"
    assert (await client.wait_for(of_kind("closed")))["why"] == "refunded"
    assert (await impatient.written(opened["chat"])).charges == [("CHAT", -1), ("REFUND", 1)]
