"""One connection that speaks the protocol: hello, requests and their answers, the heartbeat (client rule 7)."""

import asyncio
from collections.abc import Callable
from typing import Final, Self

from client.errors import ABNORMAL, End, Ended, Refused
from client.frames import Frame, Garbled, decode, encode
from client.wire import Address, Pass, Wire

CLIENT: Final = "tallylight-py/1"
ANSWER_SECONDS: Final = 10.0
"""For a connection to stand, `ready` included; and for a ping."""
HEARTBEAT_MS: Final = 25_000
"""Stands for `ready.hb`, where a server does not say it."""

Reply = Callable[[Frame], None]


class Connection:
    """A connection that was greeted. Everything happens in callbacks, in the order in which the server spoke.

    Attributes:
        ready: the server's answer to `hello`: who this is, and the limits.
    """

    def __init__(
        self, address: Address, entry: Pass, receive: Callable[[Frame], None], ended: Callable[[End], None]
    ) -> None:
        """Make it with `open`."""
        self.ready: Frame = {}
        self._receive = receive
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._wire = Wire(address, entry, self)
        self._greeting: asyncio.Future[Frame] = self._loop.create_future()
        self._replies: dict[int, Reply] = {}
        self._waiting: set[asyncio.Future[Frame]] = set()
        self._last_rid = 0
        self._heard_at = self._pinged_at = self._loop.time()
        self._is_pinged = False
        self._heartbeat_seconds = HEARTBEAT_MS / 1000
        self._beat: asyncio.TimerHandle | None = None

    @classmethod
    async def open(
        cls, address: Address, entry: Pass, *, receive: Callable[[Frame], None], ended: Callable[[End], None]
    ) -> Self:
        """Connect and say hello.

        Args:
            address: of the gateway.
            entry: says who this is.
            receive: gets every frame that answers no request. Called from the loop, so it must not wait.
            ended: is told the end of a connection that was greeted, once; not after `close`.

        Raises:
            Ended: it came to nothing.
            Refused: the server did not take the greeting (`unavailable`).
        """
        connection = cls(address, entry, receive, ended)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await connection._wire.connect()
                connection.ready = await connection._greeting
        except OSError as error:  # a timeout is one, too
            connection.drop()
            raise Ended(End(ABNORMAL, str(error) or "the server does not answer")) from None
        except BaseException:
            connection.drop()
            raise
        return connection

    def request(self, kind: str, reply: Reply, **fields: object) -> None:
        """Send a command; `reply` gets the frame that answers it, and nothing if the connection ends before.

        Fields that are None are left out.
        """
        self._last_rid += 1
        self._replies[self._last_rid] = reply
        self._send({"t": kind, "rid": self._last_rid, **fields})

    async def call(self, kind: str, **fields: object) -> Frame:
        """Send a command and wait for its answer.

        Frames that come behind the answer in one read are handed to `receive` before this returns: follow a chat with
        `request`.

        Raises:
            Refused: the answer is `err`.
            Ended: the connection ended before.
        """
        answer: asyncio.Future[Frame] = self._loop.create_future()
        self.request(kind, lambda frame: None if answer.done() else answer.set_result(frame), **fields)
        self._waiting.add(answer)
        try:
            frame = await answer
        finally:
            self._waiting.discard(answer)
        if frame["t"] == "err":
            raise Refused.by(frame)
        return frame

    def close(self) -> None:
        """End it from this side; `ended` is told when the server agrees, or does not within two seconds."""
        self._rest()
        self._wire.close(1000)

    def drop(self) -> None:
        """Be gone without a word; nobody is told."""
        self._rest()
        self._greeting.cancel()
        self._ended = _ignore
        self._wire.drop("dropped")

    # Receiver

    def wire_opened(self) -> None:
        """The handshake is done: say hello."""
        self.request("hello", self._greeted, client=CLIENT)

    def wire_heard(self, text: bytes | bytearray) -> None:
        """Take what one message brings."""
        self._heard_at = self._loop.time()
        try:
            frames = decode(text)
        except Garbled as error:
            self._wire.drop(f"the server sent no frame: {error}")
            return
        for frame in frames:
            rid = frame.get("rid")
            reply = None if rid is None else self._replies.pop(rid, None)
            if reply is None:
                self._receive(frame)
            else:
                reply(frame)

    def wire_ended(self, end: End) -> None:
        """Pass the end on to everybody who waits for something."""
        self._rest()
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(Ended(end))
        if not self._greeting.done():
            self._greeting.set_exception(Ended(end))
        else:
            self._ended(end)

    def _greeted(self, frame: Frame) -> None:
        if self._greeting.done():
            return
        if frame["t"] == "err":
            self._greeting.set_exception(Refused.by(frame))
            return
        self._heartbeat_seconds = frame.get("hb", HEARTBEAT_MS) / 1000
        self._greeting.set_result(frame)
        self._beat = self._loop.call_later(self._heartbeat_seconds, self._listen)

    def _rest(self) -> None:
        """Nothing more is to come: no heartbeat, no answers."""
        self._replies.clear()
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None

    def _listen(self) -> None:
        """After silence ping, after more silence drop. The one timer is set when it rings, not at each frame."""
        now = self._loop.time()
        if self._is_pinged and self._heard_at < self._pinged_at:
            rest_seconds = self._pinged_at + ANSWER_SECONDS - now
            if rest_seconds <= 0:
                self._wire.drop("the server fell silent")
                return
        else:
            self._is_pinged = False
            rest_seconds = self._heard_at + self._heartbeat_seconds - now
            if rest_seconds <= 0:
                self._is_pinged, self._pinged_at = True, now
                self._send({"t": "ping", "n": 1})
                rest_seconds = ANSWER_SECONDS
        self._beat = self._loop.call_later(rest_seconds, self._listen)

    def _send(self, command: dict[str, object]) -> None:
        self._wire.send(encode(command))


def _ignore(_: End) -> None:
    """Nobody is told."""
