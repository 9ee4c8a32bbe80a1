"""Frames as bytes: sizes, fragments, text that is none, and what is no websocket at all."""

import os
from typing import Final

import pytest
from websockets.frames import Frame, Opcode

from tests.support.fans import Fans
from tests.support.raw_socket import RawSocket

pytestmark = pytest.mark.asyncio(loop_scope="module")

FRAME_BYTES: Final = 65_536
PING: Final = b'{"t":"ping","n":7}'
NO_UTF_8: Final = {
    "a byte that never occurs": b"\xff",
    "a continuation without a start": b"\x80",
    "an overlong slash": b"\xc0\xaf",
    "half a surrogate pair": b"\xed\xa0\x80",
    "a code point too high": b"\xf4\x90\x80\x80",
    "a character cut off": b"\xe6\xb7",
}
NO_FRAMES: Final = {
    "an unmasked frame": Frame(Opcode.TEXT, PING).serialize(mask=False),
    "a reserved bit": b"\xc1\x80" + b"\0\0\0\0",
    "an unknown opcode": b"\x83\x80" + b"\0\0\0\0",
    "a ping that is too long": b"\x89\xfe\x00\x7e" + b"\0\0\0\0" + b"\0" * 126,
    "a fragment of nothing": Frame(Opcode.CONT, PING).serialize(mask=True),
    "a close frame of one byte": b"\x88\x81\0\0\0\0\0",
}


async def test_a_frame_of_the_largest_size_is_taken(fans: Fans) -> None:
    async with await fans.raw_socket() as socket:
        assert (await socket.call(PING.decode().ljust(FRAME_BYTES)))["n"] == 7


@pytest.mark.parametrize("size_bytes", [FRAME_BYTES + 1, 10 * FRAME_BYTES])
async def test_a_larger_frame_closes(fans: Fans, size_bytes: int) -> None:
    async with await fans.raw_socket() as socket:
        await socket.send(PING.ljust(size_bytes))
        assert await socket.close_code() == 1009


async def test_a_frame_that_only_says_that_it_is_larger_closes(fans: Fans) -> None:
    async with await fans.raw_socket() as socket:
        socket.send_bytes(b"\x81\xff" + (2**62).to_bytes(8) + b"\0\0\0\0")
        assert await socket.close_code() == 1009


async def test_a_larger_frame_before_hello_closes(fans: Fans) -> None:
    async with await fans.raw(("Cookie", await fans.cookie()), ("Origin", fans.gateway.url)) as socket:
        await socket.send(b" " * (FRAME_BYTES + 1))
        assert await socket.close_code() == 1009


async def send_in_fragments(socket: RawSocket, payload: bytes, fragment_bytes: int) -> None:
    starts = range(0, len(payload), fragment_bytes)
    for start in starts:
        await socket.send(
            payload[start : start + fragment_bytes],
            Opcode.CONT if start else Opcode.TEXT,
            is_last=start == starts[-1],
        )


@pytest.mark.parametrize("fragment_bytes", [1, 5, 17])
async def test_a_command_may_come_in_fragments(fans: Fans, fragment_bytes: int) -> None:
    async with await fans.raw_socket() as socket:
        await send_in_fragments(socket, PING, fragment_bytes)
        assert (await socket.next_frame())["n"] == 7


async def test_fragments_may_cut_a_character(fans: Fans) -> None:
    async with await fans.raw_socket() as socket:
        await send_in_fragments(socket, '{"t":"watch","rid":2,"channel":"深😀"}'.encode(), 1)
        assert (await socket.next_frame())["code"] == "not_found"


async def test_fragments_of_the_largest_size_together_are_taken(fans: Fans) -> None:
    async with await fans.raw_socket() as socket:
        await send_in_fragments(socket, PING.ljust(FRAME_BYTES), 10_000)
        assert (await socket.next_frame())["n"] == 7


async def test_fragments_that_are_too_large_together_close(fans: Fans) -> None:
    async with await fans.raw_socket() as socket:
        await send_in_fragments(socket, PING.ljust(FRAME_BYTES + 1), 10_000)
        assert await socket.close_code() == 1009


@pytest.mark.parametrize("payload", [PING, b"", b"\0\xff"], ids=["a command", "nothing", "bytes"])
async def test_a_binary_frame_closes(fans: Fans, payload: bytes) -> None:
    async with await fans.raw_socket() as socket:
        await socket.send(payload, Opcode.BINARY)
        assert await socket.close_code() == 1003


async def test_a_binary_frame_before_hello_closes(fans: Fans) -> None:
    async with await fans.raw(("Cookie", await fans.cookie()), ("Origin", fans.gateway.url)) as socket:
        await socket.send(PING, Opcode.BINARY)
        assert await socket.close_code() == 1003


async def test_a_binary_frame_in_fragments_closes(fans: Fans) -> None:
    async with await fans.raw_socket() as socket:
        await socket.send(PING[:5], Opcode.BINARY, is_last=False)
        await socket.send(PING[5:], Opcode.CONT)
        assert await socket.close_code() == 1003


@pytest.mark.parametrize("garbage", NO_UTF_8.values(), ids=NO_UTF_8.keys())
async def test_text_that_is_no_utf_8_closes(fans: Fans, garbage: bytes) -> None:
    async with await fans.raw_socket() as socket:
        await socket.send(b'{"t":"watch","rid":2,"channel":"' + garbage + b'"}')
        assert await socket.close_code() == 1007


async def test_text_that_is_no_utf_8_before_hello_closes(fans: Fans) -> None:
    async with await fans.raw(("Cookie", await fans.cookie()), ("Origin", fans.gateway.url)) as socket:
        await socket.send(b"\xff")
        assert await socket.close_code() == 1007


async def test_fragments_that_are_no_utf_8_together_close(fans: Fans) -> None:
    async with await fans.raw_socket() as socket:
        await socket.send(b'{"t":"watch","rid":2,"channel":"\xe6', is_last=False)
        await socket.send(b'"}', Opcode.CONT)
        assert await socket.close_code() == 1007


@pytest.mark.parametrize("raw", NO_FRAMES.values(), ids=NO_FRAMES.keys())
async def test_bytes_that_are_no_frame_close(fans: Fans, raw: bytes) -> None:
    async with await fans.raw_socket() as socket:
        socket.send_bytes(raw)
        assert await socket.close_code() == 1002


async def test_noise_closes_and_hurts_nobody_else(fans: Fans) -> None:
    async with await fans.raw_socket() as neighbour:
        for _ in range(10):
            async with await fans.raw_socket() as socket:
                socket.send_bytes(b"\xf1\x84" + os.urandom(2_000))
                assert await socket.close_code() == 1002
        assert (await neighbour.call(PING.decode()))["n"] == 7


async def test_a_farewell_is_returned(fans: Fans) -> None:
    async with await fans.raw_socket() as socket:
        await socket.send((1000).to_bytes(2) + b"bye", Opcode.CLOSE)
        assert await socket.close_code() == 1000


async def test_a_ping_of_the_protocol_is_answered_between_fragments(fans: Fans) -> None:
    async with await fans.raw_socket() as socket:
        await socket.send(PING[:5], is_last=False)
        await socket.send(b"beat", Opcode.PING)
        assert await socket.next_raw() == (Opcode.PONG, b"beat")
        await socket.send(PING[5:], Opcode.CONT)
        assert (await socket.next_frame())["n"] == 7
