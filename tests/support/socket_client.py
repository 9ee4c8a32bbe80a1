"""A websocket client for tests: speaks `tallylight.v1` as it is written down, keeps every frame, and waits for them."""

import asyncio
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from tests.support.contract import faults_of

DEADLINE_SECONDS: Final = 15.0

Frame = Mapping[str, Any]
Matches = Callable[[Frame], bool]


def of_kind(kind: str, **values: object) -> Matches:
    """Matches frames of this kind that carry these values."""
    return lambda frame: frame["t"] == kind and all(frame.get(key) == value for key, value in values.items())


@dataclass(eq=False)
class SocketClient:
    """One connection.

    Attributes:
        frames: everything the server has sent, arrays taken apart.
        close_code: set once the connection is closed.
        faults: what the server has sent against the AsyncAPI document; `close` fails when there is any.
    """

    connection: ClientConnection
    frames: list[Frame] = field(default_factory=list)
    close_code: int | None = None
    faults: list[str] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _rids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _reader: "asyncio.Task[None] | None" = None

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        cookie: str | None = None,
        origin: str | None = None,
        subprotocols: tuple[str, ...] = ("tallylight.v1",),
    ) -> Self:
        """Connect. `url` is the http address of the server; None for `origin` sends none."""
        headers = {"Cookie": cookie} if cookie else {}
        connection = await connect(
            url.replace("http", "ws", 1) + "/ws",
            additional_headers=headers,
            origin=Origin(origin) if origin else None,
            subprotocols=[Subprotocol(name) for name in subprotocols],
            compression=None,
            max_size=512 * 1024,
            ping_interval=None,
        )
        client = cls(connection)
        client._reader = asyncio.create_task(client._read())
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close from this side."""
        await self.connection.close()
        if self._reader is not None:
            await self._reader
        assert not self.faults, self.faults

    def abort(self) -> None:
        """Be gone without a word, as when a network ends."""
        self.connection.transport.abort()

    async def _read(self) -> None:
        try:
            async for text in self.connection:
                data = json.loads(text)
                frames = data if isinstance(data, list) else [data]
                self.faults += [fault for frame in frames for fault in faults_of(frame)]
                async with self._changed:
                    self.frames.extend(frames)
                    self._changed.notify_all()
        except ConnectionClosed:
            pass
        finally:
            self.close_code = self.connection.close_code
            async with self._changed:
                self._changed.notify_all()

    async def wait_for(self, matches: Matches, *, after: int = 0) -> Frame:
        """The first frame that matches, from number `after` on; fails when the deadline or the connection ends."""

        def found() -> Frame | None:
            return next((frame for frame in self.frames[after:] if matches(frame)), None)

        async with asyncio.timeout(DEADLINE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: found() is not None or self.close_code is not None)
        frame = found()
        assert frame is not None, f"closed {self.close_code} after {[one['t'] for one in self.frames[after:]]}"
        return frame

    async def wait_closed(self) -> int | None:
        """The close code."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: self.close_code is not None)
        return self.close_code

    async def send_raw(self, text: str | bytes) -> None:
        """Send a frame as it is."""
        await self.connection.send(text)

    async def command(self, t: str, **fields: object) -> int:
        """Send a command without waiting; returns its `rid`."""
        rid = next(self._rids)
        await self.send_raw(json.dumps({"t": t, "rid": rid, **fields}, ensure_ascii=False))
        return rid

    async def call(self, t: str, **fields: object) -> Frame:
        """Send a command and return its answer."""
        after = len(self.frames)
        rid = await self.command(t, **fields)
        return await self.wait_for(lambda frame: frame.get("rid") == rid, after=after)

    async def hello(self) -> Frame:
        """Say hello; returns `ready`."""
        return await self.call("hello", client="test/1")

    async def open_chat(self, channel: str, idem: str = "open-0001") -> Frame:
        """Open a chat; returns `opened`."""
        opened = await self.call("open", channel=channel, idem=idem)
        assert opened["t"] == "opened", opened
        return opened

    async def ask(self, k: int, text: str, idem: str) -> Frame:
        """Send a message and wait for the end of its answer; returns `done`."""
        after = len(self.frames)
        answer = await self.call("send", k=k, idem=idem, text=text)
        assert answer["t"] == "ok", answer
        return await self.wait_for(of_kind("done", k=k), after=after)

    def of(self, kind: str, **values: object) -> list[Frame]:
        """Every frame of this kind so far."""
        return [frame for frame in self.frames if of_kind(kind, **values)(frame)]


@dataclass
class ChatView:
    """A chat as a client that keeps the rules sees it: it fails when an event is missing, twice, or out of order."""

    k: int
    epoch: str = ""
    last: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    running: str | None = None
    done: dict[str, Frame] = field(default_factory=dict)

    def apply(self, frame: Frame) -> None:
        """Take the next frame of the socket; those of other chats are passed over."""
        if frame.get("k") != self.k:
            return
        if frame["t"] == "opened":
            self._apply_opened(frame)
        elif frame["t"] == "snap":
            self.last, self.texts[frame["id"]] = frame["s"], frame["text"]
        elif "s" in frame:
            self._apply_event(frame)

    def _apply_opened(self, frame: Frame) -> None:
        self.epoch = frame["epoch"]
        if frame["mode"] == "replay":
            return
        self.last = frame["seq"]
        self.texts = {message["id"]: message["text"] for message in frame["msgs"]}
        self.running = next((one["id"] for one in frame["msgs"] if one["status"] == "streaming"), None)

    def _apply_event(self, frame: Frame) -> None:
        covered = frame.get("n", 1)
        assert frame["s"] - covered == self.last, f"{frame} after {self.last}"
        self.last = frame["s"]
        if frame["t"] == "user":
            self.texts[frame["id"]] = frame["text"]
        elif frame["t"] == "start":
            self.running = frame["id"]
            self.texts[frame["id"]] = ""
        elif frame["t"] == "d":
            assert self.running is not None, frame
            self.texts[self.running] += frame["x"]
        elif frame["t"] == "done":
            self._check_done(frame)

    def _check_done(self, frame: Frame) -> None:
        text = self.texts[frame["id"]]
        assert len(text) == frame["len"]
        assert hashlib.sha256(text.encode()).hexdigest() == frame["sha"]
        self.done[frame["id"]] = frame
        self.running = None
