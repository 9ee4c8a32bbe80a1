"""A websocket client for tests: speaks `tallylight.v1` as it is written down, keeps every frame, and waits for them."""

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

import client.view
from client.view import Verdict
from tests.support.contract import faults_of, faults_of_answer

DEADLINE_SECONDS: Final = 60.0

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
        answer = await self.wait_for(lambda frame: frame.get("rid") == rid, after=after)
        self.faults += faults_of_answer(t, answer)
        return answer

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


class ChatView(client.view.ChatView):
    """A chat as a client that keeps the rules sees it: it fails when an event is missing, twice, or out of order.

    Attributes:
        done: the ends of answers that were seen, by message.
    """

    def __init__(self, k: int, epoch: str = "", last: int = 0) -> None:
        super().__init__(k=k, epoch=epoch, last=last, is_adrift=False)
        self.done: dict[str, Frame] = {}

    @property
    def texts(self) -> dict[str, str]:
        """What each message says."""
        return {message.id: message.text for message in self.messages.values()}

    def apply(self, frame: Frame) -> Verdict:
        """Take the next frame of the socket; those of other chats are passed over."""
        verdict = super().apply(frame)
        assert verdict in {Verdict.APPLIED, Verdict.FOREIGN}, f"{verdict}: {frame} after {self.last}"
        if verdict is Verdict.APPLIED and frame["t"] == "done":
            self.done[frame["id"]] = frame
        return verdict
