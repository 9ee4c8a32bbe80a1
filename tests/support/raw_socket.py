"""A websocket by hand: sends what no client library would, and shows the handshake's answer as it came."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import urlsplit

from websockets.frames import Close, Frame, Opcode

from tests.support import socket_client

DEADLINE_SECONDS: Final = 15.0

Header = tuple[str, str]


@dataclass
class RawSocket:
    """A connection that has asked for `/ws`.

    Attributes:
        status: of the HTTP answer; 101 means that the websocket is open.
        headers: of the HTTP answer, names in lower case.
    """

    status: int
    headers: list[Header]
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _frames: list[socket_client.Frame] = field(default_factory=list)

    @classmethod
    async def open(cls, url: str, headers: Sequence[Header]) -> Self:
        """Ask the server at this http address for a websocket, with these headers beside the ones that make it one;
        their values go out as Latin-1."""
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        lines = [
            "GET /ws HTTP/1.1",
            f"Host: {address.netloc}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            *(f"{name}: {value}" for name, value in headers),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
        async with asyncio.timeout(DEADLINE_SECONDS):
            status_line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in rest if line]
        answered = [(name.lower(), value.strip()) for name, _, value in pairs]
        return cls(int(status_line.split()[1]), answered, reader, writer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    def header(self, name: str) -> list[str]:
        """Every value of this header of the HTTP answer."""
        return [value for one, value in self.headers if one == name]

    async def body(self) -> str:
        """What follows the head of an HTTP answer that refuses."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return (await self._reader.read()).decode()

    async def send(self, payload: bytes, opcode: Opcode = Opcode.TEXT, *, is_last: bool = True) -> None:
        """Send one frame, or one fragment of it."""
        self.send_bytes(Frame(opcode, payload, is_last).serialize(mask=True))
        await self._writer.drain()

    def send_bytes(self, raw: bytes) -> None:
        """Send bytes that may be no frame."""
        self._writer.write(raw)

    async def call(self, command: str) -> socket_client.Frame:
        """Send a command and return the next frame that the server sends."""
        await self.send(command.encode())
        return await self.next_frame()

    async def next_frame(self) -> socket_client.Frame:
        """The server's next object."""
        while not self._frames:
            opcode, payload = await self.next_raw()
            assert opcode is Opcode.TEXT, (opcode, payload)
            data = json.loads(payload)
            self._frames.extend(data if isinstance(data, list) else [data])
        return self._frames.pop(0)

    async def close_code(self) -> int:
        """Read on to the close frame; returns its code."""
        while True:
            opcode, payload = await self.next_raw()
            if opcode is Opcode.CLOSE:
                return int(Close.parse(payload).code)

    async def next_raw(self) -> tuple[Opcode, bytes]:
        """The next websocket frame: opcode and payload."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            first, second = await self._reader.readexactly(2)
            size_bytes = second & 0x7F
            if size_bytes >= 126:
                size_bytes = int.from_bytes(await self._reader.readexactly(2 if size_bytes == 126 else 8))
            return Opcode(first & 0x0F), await self._reader.readexactly(size_bytes)
