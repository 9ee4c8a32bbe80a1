"""Values that are refused: an `err`, no strike, and nothing is written; what fits exactly is taken."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import pytest

from tests.support.fans import Fans, still_works
from tests.support.ids import ABSENT_ID
from tests.support.socket_client import Frame, of_kind

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT: Final = "Hello [[tokens=3 rate=0 delay_ms=0]]"
BLANKS: Final = {"nothing": "", "spaces": "   ", "line breaks": "\n\r\t\v\f", "wide spaces": "\u3000\u2003\u00a0\u2028"}
BAD_IDEMS: Final = {
    "nothing": "",
    "7 letters": "a" * 7,
    "65 letters": "a" * 65,
    "10,000 letters": "a" * 10_000,
    "7 of four bytes each": "😀" * 7,
    "65 of four bytes each": "😀" * 65,
    "a NUL": "idem\0-0001",
}
GOOD_IDEMS: Final = {
    "8 letters": "a" * 8,
    "64 letters": "a" * 64,
    "8 of four bytes each": "😀" * 8,
    "64 of four bytes each": "😀" * 64,
    "an attempt at SQL": "'; DROP TABLE chat; --",
}
LETTERS: Final = {"letters": "a", "three bytes each": "深", "four bytes each": "😀"}


def without_rid(frame: Frame) -> Mapping[str, object]:
    return {key: value for key, value in frame.items() if key != "rid"}


@pytest.mark.parametrize("text", BLANKS.values(), ids=BLANKS.keys())
async def test_a_blank_text_is_refused(fans: Fans, text: str) -> None:
    client, opened = await fans.chat()
    err = await client.call("send", k=opened["k"], idem="idem-0001", text=text)
    assert (err["t"], err["code"], err["retry"], err["k"]) == ("err", "bad_request", False, opened["k"])
    await fans.assert_untouched(opened)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\0 Hello", "Hello\0"])
async def test_a_text_with_a_nul_is_refused(fans: Fans, text: str) -> None:
    client, opened = await fans.chat()
    err = await client.call("send", k=opened["k"], idem="idem-0001", text=text)
    assert (err["t"], err["code"]) == ("err", "bad_request")
    await fans.assert_untouched(opened)


@pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS.keys())
async def test_a_text_of_one_code_point_too_many_is_refused(fans: Fans, letter: str) -> None:
    client, opened = await fans.chat()
    err = await client.call("send", k=opened["k"], idem="idem-0001", text=letter * 16_001)
    assert (err["t"], err["code"], err["retry"]) == ("err", "too_large", False)
    assert err["details"] == {"limit": 16_000, "length": 16_001}
    await fans.assert_untouched(opened)


@pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS.keys())
async def test_a_text_of_the_longest_length_is_taken_and_stored_as_it_is(fans: Fans, letter: str) -> None:
    client, opened = await fans.chat()
    text = SHORT + letter * (16_000 - len(SHORT))
    done = await client.ask(opened["k"], text, "idem-0001")
    assert done["why"] == "stop"
    assert (await fans.written(opened["chat"])).messages[0] == ("USER", "DONE", text)


@pytest.mark.parametrize("text", ["\x01\x1f\x7f\u0085\ufeff\u202e", "e\u0301 \u00e9", "\U0010ffff\uffff", " a "])
async def test_odd_characters_are_stored_as_they_are(fans: Fans, text: str) -> None:
    client, opened = await fans.chat()
    await client.ask(opened["k"], f"{text}{SHORT}", "idem-0001")
    assert (await fans.written(opened["chat"])).messages[0][2] == f"{text}{SHORT}"
    assert client.of("user")[0]["text"] == f"{text}{SHORT}"


@pytest.mark.parametrize("idem", BAD_IDEMS.values(), ids=BAD_IDEMS.keys())
async def test_an_idem_of_another_length_or_with_a_nul_is_refused(fans: Fans, idem: str) -> None:
    client, opened = await fans.chat()
    for err in (
        await client.call("send", k=opened["k"], idem=idem, text=SHORT),
        await client.call("open", idem=idem, channel="deep-sea-lab"),
    ):
        assert (err["t"], err["code"], err["retry"]) == ("err", "bad_request", False)
    await fans.assert_untouched(opened)


@pytest.mark.parametrize("idem", GOOD_IDEMS.values(), ids=GOOD_IDEMS.keys())
async def test_an_idem_of_an_allowed_length_is_taken(fans: Fans, idem: str) -> None:
    client = await fans.connect()
    opened = await client.open_chat("deep-sea-lab", idem)
    assert (await client.ask(opened["k"], SHORT, idem))["why"] == "stop"


@pytest.mark.parametrize("k", [0, -1, 2, 99, 2**70])
@pytest.mark.parametrize(
    ("t", "fields"),
    [
        ("send", {"idem": "idem-0001", "text": SHORT}),
        ("stop", {"msg": ABSENT_ID}),
        ("close", {}),
        ("unsub", {}),
    ],
    ids=["send", "stop", "close", "unsub"],
)
async def test_an_unknown_k_is_refused(fans: Fans, k: int, t: str, fields: Mapping[str, object]) -> None:
    client, opened = await fans.chat()
    err = await client.call(t, k=k, **fields)
    assert (err["t"], err["code"], err["k"]) == ("err", "bad_request", k)
    await fans.assert_untouched(opened)


async def test_a_k_that_was_given_up_is_unknown_and_never_used_again(fans: Fans) -> None:
    client, opened = await fans.chat()
    assert (await client.call("unsub", k=opened["k"]))["t"] == "ok"
    err = await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT)
    assert (err["t"], err["code"]) == ("err", "bad_request")
    again = await client.call("sub", chat=opened["chat"])
    assert again["k"] > opened["k"]


async def test_refused_values_are_no_strikes(fans: Fans) -> None:
    client, opened = await fans.chat()
    k = opened["k"]
    refused = [
        await client.call("send", k=k, idem="idem-0001", text=""),
        await client.call("send", k=k, idem="idem-0001", text="\0"),
        await client.call("send", k=k, idem="idem-0001", text="a" * 16_001),
        await client.call("send", k=k, idem="short", text=SHORT),
        await client.call("send", k=99, idem="idem-0001", text=SHORT),
        await client.call("send", k=k, idem="idem-0001", text=SHORT, parent="no id"),
        await client.call("open", idem="idem-0001", channel="\0"),
        await client.call("sub", chat="no id"),
        await client.call("stop", k=k, msg="no id"),
        await client.call("watch", channel="nowhere"),
    ]
    assert {frame["t"] for frame in refused} == {"err"}
    assert await still_works(client)
    assert (await client.ask(k, SHORT, "idem-0001"))["why"] == "stop"


async def test_somebody_elses_chat_looks_like_one_that_is_not_there(fans: Fans) -> None:
    _, opened = await fans.chat()
    stranger = await fans.connect()
    theirs, absent, no_id, empty = [
        await stranger.call("sub", chat=chat) for chat in (opened["chat"], ABSENT_ID, "no id", "")
    ]
    assert theirs["code"] == "not_found"
    assert without_rid(theirs) == without_rid(absent) == without_rid(no_id) == without_rid(empty)


async def test_a_cursor_and_a_share_do_not_open_somebody_elses_chat(fans: Fans) -> None:
    _, opened = await fans.chat()
    stranger = await fans.connect()
    for fields in ({"epoch": opened["epoch"], "seq": 0}, {"share": "forged"}):
        err = await stranger.call("sub", chat=opened["chat"], **fields)
        assert (err["t"], err["code"]) == ("err", "not_found")


async def test_a_deleted_chat_is_not_found(fans: Fans) -> None:
    cookie = await fans.cookie()
    first = await fans.connect(cookie)
    opened = await first.open_chat("deep-sea-lab")
    await first.close()
    await fans.forget_chats()
    await fans.world.postgres.pool.execute(
        "UPDATE chat SET deleted_at = clock_timestamp() WHERE id = $1", UUID(opened["chat"])
    )
    second = await fans.connect(cookie)
    assert (await second.call("sub", chat=opened["chat"]))["code"] == "not_found"


@pytest.mark.parametrize("cursor", [{"epoch": "x", "seq": 1}, {"epoch": "1", "seq": -5}, {"epoch": "1", "seq": 10**30}])
async def test_a_cursor_that_makes_no_sense_gets_a_snapshot(fans: Fans, cursor: Mapping[str, object]) -> None:
    client, opened = await fans.chat()
    assert (await client.call("sub", chat=opened["chat"], **cursor))["mode"] == "snapshot"


async def test_a_message_may_not_follow_one_of_another_chat(fans: Fans) -> None:
    client, opened = await fans.chat()
    other = await client.open_chat("deep-sea-lab", "open-0002")
    await client.ask(other["k"], SHORT, "idem-0001")
    err = await client.call("send", k=opened["k"], idem="idem-0001", text=SHORT, parent=client.of("user")[0]["id"])
    assert (err["t"], err["code"]) == ("err", "not_found")
    await fans.assert_untouched(opened)


async def test_only_an_answer_of_the_chat_can_be_stopped(fans: Fans) -> None:
    client, opened = await fans.chat()
    other = await client.open_chat("deep-sea-lab", "open-0002")
    await client.ask(other["k"], SHORT, "idem-0001")
    question, answer = client.of("user")[0]["id"], client.of("start")[0]["id"]
    refused = [
        await client.call("stop", k=opened["k"], msg=answer),
        await client.call("stop", k=other["k"], msg=question),
        await client.call("stop", k=other["k"], msg=ABSENT_ID),
    ]
    assert [frame["code"] for frame in refused] == ["not_found"] * 3
    assert (await client.call("stop", k=other["k"], msg=answer))["t"] == "ok"


@pytest.mark.parametrize("channel", ["nowhere", "", "\0", "a" * 10_000, ABSENT_ID, "deep-sea-lab ", "%", "😀"])
async def test_an_unknown_channel_is_not_found(fans: Fans, channel: str) -> None:
    client = await fans.connect()
    for err in (
        await client.call("open", idem="open-0001", channel=channel),
        await client.call("watch", channel=channel),
        await client.call("unwatch", channel=channel),
    ):
        assert (err["t"], err["code"], err["retry"]) == ("err", "not_found", False)


async def test_a_channel_that_is_not_on_air_yet_takes_no_chat_and_can_be_watched(fans: Fans) -> None:
    client = await fans.connect()
    err = await client.call("open", idem="open-0001", channel="night-kitchen")
    assert (err["t"], err["code"]) == ("err", "channel_pending")
    assert (await client.call("watch", channel="night-kitchen"))["t"] == "ok"
    assert (await client.wait_for(of_kind("channel", channel="night-kitchen")))["status"] == "PENDING"
    count = "SELECT count(*) FROM chat WHERE channel_id = $1"
    assert await fans.world.postgres.pool.fetchval(count, fans.world.pending) == 0
