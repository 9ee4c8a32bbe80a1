"""The end of a chat: never above 50,000 tokens, told in time, and readable ever after."""

from typing import Final

import pytest

from server.llm.tokens import count
from tests.support.fans import Fans
from tests.support.socket_client import Frame, SocketClient
from tests.support.token_texts import text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAP_TOKENS: Final = 50_000
LEAST_TOKENS: Final = 16
SHORT: Final = "Hello [[tokens=3 rate=0 delay_ms=0]]"


def answer_of(tokens: int) -> str:
    """A directive for an answer of that many tokens."""
    return f"[[tokens={tokens} rate=0 delay_ms=0]]"


async def use_all_but(client: SocketClient, opened: Frame, left_tokens: int) -> Frame:
    """One message and an answer of ten tokens that leave this much of the chat; returns its `done`."""
    text = text_of(opened["usage"]["left"] - left_tokens - 10, answer_of(10))
    done = await client.ask(opened["k"], text, "fill-0001")
    assert done["usage"]["left"] == left_tokens
    return done


def story_of(client: SocketClient, opened: Frame) -> list[str]:
    """What has happened in the chat, deltas and figures left out, with the percentage of each `near`."""
    told = [frame for frame in client.frames if frame.get("k") == opened["k"] and "s" in frame and frame["t"] != "d"]
    return [f"near {frame['pct']}" if frame["t"] == "near" else frame["t"] for frame in told]


async def test_a_first_message_that_leaves_too_little_for_an_answer_is_refused_with_the_figures(fans: Fans) -> None:
    client, opened = await fans.chat()
    left = opened["usage"]["left"]
    text = text_of(left - LEAST_TOKENS + 1, answer_of(1))
    err = await client.call("send", k=opened["k"], idem="idem-0001", text=text)
    assert (err["t"], err["code"], err["retry"]) == ("err", "too_long_for_remaining", False)
    assert err["details"] == {"tokens": left - LEAST_TOKENS + 1, "left": left}
    await fans.assert_untouched(opened)
    assert (await client.ask(opened["k"], SHORT, "idem-0001"))["why"] == "stop"


async def test_a_message_that_leaves_just_enough_for_an_answer_is_taken(fans: Fans) -> None:
    client, opened = await fans.chat()
    text = text_of(opened["usage"]["left"] - LEAST_TOKENS, answer_of(100))
    done = await client.ask(opened["k"], text, "idem-0001")
    assert (done["why"], done["usage"]) == ("cap", {"used": CAP_TOKENS, "cap": CAP_TOKENS, "left": 0})
    written = await fans.written(opened["chat"])
    assert (written.state, written.tokens_used, written.messages[1][1]) == ("FULL", CAP_TOKENS, "CUT")
    assert count(written.messages[1][2]) == LEAST_TOKENS


async def test_a_later_message_that_is_too_long_leaves_the_chat_open_for_a_shorter_one(fans: Fans) -> None:
    client, opened = await fans.chat()
    await use_all_but(client, opened, 100)
    before = await fans.written(opened["chat"])
    err = await client.call("send", k=opened["k"], idem="idem-0002", text=text_of(85, answer_of(3)))
    assert (err["code"], err["details"]) == ("too_long_for_remaining", {"tokens": 85, "left": 100})
    assert await fans.written(opened["chat"]) == before
    assert (await client.ask(opened["k"], text_of(40, answer_of(3)), "idem-0002"))["why"] == "stop"


async def test_both_marks_are_told_once_and_before_the_end_of_their_answers(fans: Fans) -> None:
    client, opened = await fans.chat()
    await use_all_but(client, opened, CAP_TOKENS // 5 + 50)
    assert (await client.ask(opened["k"], f"Hello {answer_of(300)}", "idem-0002"))["why"] == "stop"
    left = client.of("done")[-1]["usage"]["left"]
    text = text_of(left - CAP_TOKENS // 20 - 20, answer_of(300))
    assert (await client.ask(opened["k"], text, "idem-0003"))["why"] == "stop"
    assert (await client.ask(opened["k"], SHORT, "idem-0004"))["why"] == "stop"
    turn = ["user", "start", "done"]
    assert story_of(client, opened) == [
        *turn,
        *("user", "start", "near 80", "done"),
        *("user", "start", "near 95", "done"),
        *turn,
    ]
    for near in client.of("near"):
        assert near["usage"]["used"] * 100 >= near["pct"] * CAP_TOKENS
        assert near["usage"]["used"] <= near["pct"] * CAP_TOKENS // 100 + 10


async def test_marks_that_a_message_passes_are_told_before_its_answer(fans: Fans) -> None:
    client, opened = await fans.chat()
    await use_all_but(client, opened, 2_000)
    assert story_of(client, opened) == ["user", "start", "near 80", "near 95", "done"]
    first_delta = client.frames.index(client.of("d")[0])
    assert client.frames.index(client.of("near", pct=95)[0]) < first_delta


async def test_the_last_answer_is_cut_at_the_cap_and_says_so_before_it_is_done(fans: Fans) -> None:
    client, opened = await fans.chat()
    await use_all_but(client, opened, 100)
    done = await client.ask(opened["k"], text_of(40, answer_of(500)), "idem-0002")
    assert done["why"] == "cap"
    assert story_of(client, opened)[-4:] == ["user", "start", "limit", "done"]
    assert client.of("limit")[0]["usage"] == done["usage"] == {"used": CAP_TOKENS, "cap": CAP_TOKENS, "left": 0}
    written = await fans.written(opened["chat"])
    assert (written.state, written.tokens_used) == ("FULL", CAP_TOKENS)
    used = opened["usage"]["used"] + sum(count(content) for _, _, content in written.messages)
    assert used == CAP_TOKENS


@pytest.mark.parametrize(("left_tokens", "state"), [(16, "OPEN"), (15, "FULL"), (8, "FULL")])
async def test_a_chat_is_full_when_fewer_than_sixteen_tokens_are_left(fans: Fans, left_tokens: int, state: str) -> None:
    client, opened = await fans.chat()
    done = await use_all_but(client, opened, left_tokens)
    assert done["why"] == "stop"
    assert (await fans.written(opened["chat"])).state == state
    assert bool(client.of("limit")) == (state == "FULL")


async def test_a_full_chat_takes_no_message_and_can_be_read_and_closed(fans: Fans) -> None:
    cookie = await fans.cookie()
    client = await fans.connect(cookie)
    opened = await client.open_chat("deep-sea-lab")
    text = text_of(opened["usage"]["left"] - LEAST_TOKENS, answer_of(100))
    await client.ask(opened["k"], text, "idem-0001")
    before = await fans.written(opened["chat"])
    err = await client.call("send", k=opened["k"], idem="idem-0002", text="a")
    assert (err["t"], err["code"], err["retry"]) == ("err", "limit_reached", False)
    assert await fans.written(opened["chat"]) == before
    seen = await (await fans.connect(cookie)).call("sub", chat=opened["chat"])
    assert (seen["state"], seen["usage"]["left"]) == ("full", 0)
    assert [message["status"] for message in seen["msgs"]] == ["done", "cut"]
    assert (await client.call("close", k=opened["k"]))["t"] == "ok"
    assert (await fans.written(opened["chat"])).state == "CLOSED"


async def test_an_answer_that_reaches_the_setting_ends_with_length(fans: Fans) -> None:
    client, opened = await fans.chat()
    done = await client.ask(opened["k"], f"Hello {answer_of(2_100)}", "idem-0001")
    written = await fans.written(opened["chat"])
    assert done["why"] == "length"
    assert written.messages[1][1] == "DONE"
    assert count(written.messages[1][2]) == 2_048


async def test_a_failed_answer_without_text_in_a_chat_that_is_nearly_full_does_not_fill_it(fans: Fans) -> None:
    client, opened = await fans.chat()
    await use_all_but(client, opened, 100)
    text = text_of(84, "[[break=empty delay_ms=0]]")
    assert (await client.ask(opened["k"], text, "idem-0002"))["usage"]["left"] == LEAST_TOKENS
    assert (await fans.written(opened["chat"])).state == "OPEN"
    assert not client.of("limit")


async def test_the_meter_is_told_while_an_answer_runs_and_never_falls(fans: Fans) -> None:
    client, opened = await fans.chat()
    await client.ask(opened["k"], "Hello [[tokens=120 rate=100 delay_ms=0]]", "idem-0001")
    figures = [frame["usage"] for frame in client.frames if frame.get("k") == opened["k"] and "usage" in frame]
    used = [one["used"] for one in figures]
    assert len(client.of("usage")) >= 1
    assert used == sorted(used)
    assert all(one["used"] + one["left"] == CAP_TOKENS for one in figures)


async def test_a_snapshot_of_control_characters_fits_a_frame_of_the_server(fans: Fans) -> None:
    cookie = await fans.cookie()
    client = await fans.connect(cookie)
    opened = await client.open_chat("deep-sea-lab")
    for number in range(5):
        text = "\x01" * 9_600 + SHORT
        assert (await client.ask(opened["k"], text, f"idem-{number:04}"))["why"] == "stop"
    async with await fans.raw(("Cookie", cookie), ("Origin", fans.gateway.url)) as socket:
        await socket.call('{"t":"hello","rid":1,"client":"raw/1"}')
        await socket.send(f'{{"t":"sub","rid":2,"chat":"{opened["chat"]}"}}'.encode())
        _, payload = await socket.next_raw()
    assert len(payload) <= 256 * 1024
