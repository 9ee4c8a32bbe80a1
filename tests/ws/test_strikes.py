"""Frames that are no command: two are answered, the third closes. Nothing is done for any of them."""

from collections.abc import Mapping
from typing import Final

import pytest

from tests.support.fans import Fans, still_works
from tests.support.socket_client import Frame, SocketClient, of_kind
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONE_HIGH: Final = "\\ud83d"
LONE_LOW: Final = "\\ude00"

NO_COMMANDS: Final = {
    "nothing": "",
    "spaces": " \n\t ",
    "no JSON": "hello",
    "half an object": '{"t":"ping","n":1',
    "an object and more": '{"t":"ping","n":1}{"t":"ping","n":2}',
    "single quotes": "{'t':'ping','n':1}",
    "a comma too many": '{"t":"ping","n":1,}',
    "a byte order mark": '\ufeff{"t":"ping","n":1}',
    "NaN": '{"t":"ping","n":NaN}',
    "a raw line break in a string": '{"t":"hello\n","rid":1,"client":"x"}',
    "an unknown escape": '{"t":"watch","rid":1,"channel":"\\x41"}',
    "null": "null",
    "a number": "1",
    "a string": '"ping"',
    "true": "true",
    "an empty array": "[]",
    "an array of commands": '[{"t":"ping","n":1},{"t":"ping","n":2}]',
    "no t": '{"rid":1,"n":1}',
    "an empty object": "{}",
    "an unknown t": '{"t":"shutdown","rid":1}',
    "an empty t": '{"t":"","rid":1}',
    "a t in upper case": '{"t":"PING","n":1}',
    "a t that is a number": '{"t":1,"n":1}',
    "a t that is null": '{"t":null,"n":1}',
    "a frame of the server": '{"t":"ok","rid":1}',
    "a delta": '{"t":"d","k":1,"s":1,"x":"text"}',
    "a missing field": '{"t":"send","rid":1,"k":1,"idem":"idem-0001"}',
    "a missing rid": '{"t":"watch","channel":"deep-sea-lab"}',
    "an unknown field": '{"t":"ping","n":1,"extra":true}',
    "another command's field": '{"t":"ping","n":1,"k":1}',
    "a field in another case": '{"t":"ping","N":1}',
    "a rid that is text": '{"t":"watch","rid":"1","channel":"deep-sea-lab"}',
    "a rid that is null": '{"t":"watch","rid":null,"channel":"deep-sea-lab"}',
    "a rid with a fraction": '{"t":"watch","rid":1.5,"channel":"deep-sea-lab"}',
    "a rid that is true": '{"t":"watch","rid":true,"channel":"deep-sea-lab"}',
    "an n of five thousand digits": f'{{"t":"ping","n":{"9" * 5_000}}}',
    "an n beyond every float": '{"t":"ping","n":1e999}',
    "a k that is text": '{"t":"close","rid":1,"k":"1"}',
    "a text that is a number": '{"t":"send","rid":1,"k":1,"idem":"idem-0001","text":1}',
    "a text that is null": '{"t":"send","rid":1,"k":1,"idem":"idem-0001","text":null}',
    "a text that is a list": '{"t":"send","rid":1,"k":1,"idem":"idem-0001","text":["a"]}',
    "an epoch that is a number": '{"t":"sub","rid":1,"chat":"x","epoch":1,"seq":1}',
    "half a surrogate pair, the first": f'{{"t":"send","rid":1,"k":1,"idem":"idem-0001","text":"{LONE_HIGH}"}}',
    "half a surrogate pair, the first, text behind": f'{{"t":"watch","rid":1,"channel":"{LONE_HIGH}abcdefgh"}}',
    "half a surrogate pair, the second": f'{{"t":"send","rid":1,"k":1,"idem":"idem-0001","text":"{LONE_LOW}"}}',
    "a surrogate pair turned round": f'{{"t":"watch","rid":1,"channel":"{LONE_LOW}{LONE_HIGH}"}}',
    "half a surrogate pair in a name": f'{{"t":"ping","{LONE_HIGH}":1}}',
    "arrays in arrays": '{"t":' + "[" * 60_000,
    "arrays in an unknown field": '{"x":' + "[" * 30_000 + "]" * 30_000 + ',"t":"ping","n":1}',
    "objects in objects": '{"t":' * 13_000,
}

COMMANDS: Final[Mapping[str, Mapping[str, object]]] = {
    "watch": {"channel": "deep-sea-lab"},
    "unwatch": {"channel": "deep-sea-lab"},
    "open": {"idem": "before-hello", "channel": "deep-sea-lab"},
    "sub": {"chat": "0193a1b2-0000-7000-8000-000000000000"},
    "unsub": {"k": 1},
    "send": {"k": 1, "idem": "before-hello", "text": "Hello"},
    "stop": {"k": 1, "msg": "0193a1b2-0000-7000-8000-000000000000"},
    "close": {"k": 1},
}


async def struck(client: SocketClient, text: str) -> Frame:
    """Send a frame that is no command; returns the `err` it is answered with."""
    after = len(client.frames)
    await client.send_raw(text)
    return await client.wait_for(of_kind("err"), after=after)


@pytest.mark.parametrize("frame", NO_COMMANDS.values(), ids=NO_COMMANDS.keys())
async def test_what_is_no_command_is_a_strike(fans: Fans, frame: str) -> None:
    client = await fans.connect()
    for _ in range(2):
        err = await struck(client, frame)
        assert (err["code"], err["retry"], "rid" in err) == ("bad_request", False, False)
        assert await still_works(client)
    await client.send_raw(frame)
    assert await client.wait_closed() == 4500
    assert len(client.of("err")) == 2


@pytest.mark.parametrize("number", [0, -1, 2**53, 2**64, 10**1_000])
async def test_a_number_comes_back_exactly_whatever_its_size(fans: Fans, number: int) -> None:
    client = await fans.connect()
    await client.send_raw(f'{{"t":"ping","n":{number}}}')
    assert (await client.wait_for(of_kind("pong")))["n"] == number


async def test_the_answer_to_a_strike_does_not_send_it_all_back(fans: Fans) -> None:
    client = await fans.connect()
    err = await struck(client, f'{{"t":"ping","n":1,"{"x" * 60_000}":1}}')
    assert len(err["msg"]) <= 200


@pytest.mark.parametrize("t", COMMANDS.keys())
async def test_a_command_before_hello_is_a_strike(fans: Fans, t: str) -> None:
    client = await fans.connect(greet=False)
    for _ in range(2):
        after = len(client.frames)
        await client.command(t, **COMMANDS[t])
        err = await client.wait_for(of_kind("err"), after=after)
        assert (err["code"], "rid" in err) == ("bad_request", False)
    await client.command(t, **COMMANDS[t])
    assert await client.wait_closed() == 4500


async def test_a_ping_before_hello_is_a_strike(fans: Fans) -> None:
    client = await fans.connect(greet=False)
    assert (await struck(client, '{"t":"ping","n":1}'))["code"] == "bad_request"


async def test_an_open_before_hello_makes_no_chat(fans: Fans) -> None:
    client = await fans.connect(greet=False)
    count = "SELECT count(*) FROM chat"
    before = await fans.world.postgres.pool.fetchval(count)
    await client.command("open", **COMMANDS["open"])
    await client.wait_for(of_kind("err"))
    assert (await client.hello())["t"] == "ready"
    assert await fans.world.postgres.pool.fetchval(count) == before


async def test_strikes_before_hello_count(fans: Fans) -> None:
    client = await fans.connect(greet=False)
    await struck(client, "{}")
    await struck(client, "{}")
    assert (await client.hello())["t"] == "ready"
    await client.send_raw("{}")
    assert await client.wait_closed() == 4500


async def test_three_strikes_at_once_are_two_answers_and_the_end(fans: Fans) -> None:
    client = await fans.connect()
    for _ in range(6):
        await client.send_raw("{}")
    assert await client.wait_closed() == 4500
    assert len(client.of("err")) == 2


async def test_nothing_that_follows_the_third_strike_is_done(fans: Fans) -> None:
    client, opened = await fans.chat()
    for _ in range(3):
        await client.send_raw("{}")
    await client.command("send", k=opened["k"], idem="idem-0001", text="Hello [[tokens=3 rate=0]]")
    assert await client.wait_closed() == 4500
    written = await fans.written(opened["chat"])
    assert (written.credit_state, written.messages, written.charges) == ("NONE", [], [])


async def test_an_answer_outlives_the_socket_that_was_struck_out(fans: Fans) -> None:
    client, opened = await fans.chat()
    assert (await client.call("send", k=opened["k"], idem="idem-0001", text="Hi [[tokens=40 rate=200]]"))["t"] == "ok"
    for _ in range(3):
        await client.send_raw("{}")
    assert await client.wait_closed() == 4500

    async def is_stored() -> bool:
        return (await fans.written(opened["chat"])).messages[1][1] == "DONE"

    await eventually(is_stored)


async def test_a_second_hello_closes(fans: Fans) -> None:
    client = await fans.connect()
    await client.command("hello", client="test/1")
    assert await client.wait_closed() == 4504


async def test_a_second_hello_behind_the_first_closes(fans: Fans) -> None:
    client = await fans.connect(greet=False)
    await client.command("hello", client="test/1")
    await client.command("hello", client="test/1")
    assert await client.wait_closed() == 4504


async def test_a_socket_that_says_no_hello_is_closed_after_five_seconds(fans: Fans) -> None:
    silent = await fans.connect(greet=False)
    greeted = await fans.connect()
    assert await silent.wait_closed() == 4008
    assert await still_works(greeted)
