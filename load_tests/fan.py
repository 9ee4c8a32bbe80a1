"""One simulated fan: one socket, one chat, and the eyes of `client.view` on every event of it.

The view follows the client rules: it says when an event is missing, doubled or out of place, and holds the length and
SHA-256 of each answer against its text. Whatever it finds wrong is a fault of the run.
"""

import asyncio
from array import array
from typing import Any, Final

from client.connection import Connection
from client.errors import End, Ended, Refused
from client.frames import Frame
from client.view import ChatView, Verdict
from client.wire import Address, Pass
from load_tests.stamps import delays_us, now_us
from server.auth.cookies import LOOPBACK_NAME

REPLY_SECONDS: Final = 30.0
FANS_PER_ADDRESS: Final = 150
"""Below the 200 sockets that an address may have."""
ADDRESSES: Final = 250


def address_of(number: int) -> str:
    """The loopback address from which this fan comes: 127.0.0.2 for the first ones, and so on."""
    return f"127.0.0.{2 + number // FANS_PER_ADDRESS % ADDRESSES}"


class Recorder:
    """The delays of tokens, of all fans together, while it is on.

    Attributes:
        is_on: whether anything is recorded now.
        delays_us: from the model's write to the fan's read, of each token.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.delays_us: array[int] = array("q")


class Fan:
    """A visitor.

    Attributes:
        view: the chat.
        faults: what was wrong with what the server sent.
        whole_answers: answers whose length and digest were right.
        accepted_us: when the latest message was acknowledged, on the clock of the stamps.
        first_token_us: when the first token of the latest answer came, likewise; 0 before.
    """

    def __init__(self, number: int, token: str, recorder: Recorder) -> None:
        self.view = ChatView()
        self.faults: list[str] = []
        self.whole_answers = 0
        self.accepted_us = 0
        self.first_token_us = 0
        self._number = number
        self._token = token
        self._recorder = recorder
        self._connection: Connection | None = None
        self._awaited: asyncio.Future[None] | None = None
        self._gone = asyncio.Event()
        self._is_leaving = False

    async def connect(self, url: str) -> None:
        """Open the socket and say hello.

        Raises:
            Ended, Refused: the server did not want it.
        """
        entry = Pass(origin=url, headers={"Cookie": f"{LOOPBACK_NAME}={self._token}"})
        address = Address(url, address_of(self._number))
        self._connection = await Connection.open(address, entry, receive=self._take, ended=self._lost)

    async def open_chat(self, channel: str) -> None:
        """Open a new chat on the channel.

        Raises:
            Ended, Refused: there is none.
        """
        await self._request("open", REPLY_SECONDS, idem=f"open-{self._number}-{now_us()}", channel=channel)

    async def ask(self, text: str, within_seconds: float) -> int:
        """Send a message and wait for the end of its answer.

        Returns:
            When it was sent, on the clock of the stamps.

        Raises:
            Ended, Refused: there is no answer, or only a part of it.
            TimeoutError: it took longer.
        """
        self.first_token_us = 0
        sent_us = now_us()
        await self._request("send", within_seconds, k=self.view.k, idem=f"ask-{self._number}-{sent_us}", text=text)
        return sent_us

    async def leave(self) -> None:
        """Close the socket."""
        self._is_leaving = True
        if self._connection is not None and not self._gone.is_set():
            self._connection.close()
            async with asyncio.timeout(REPLY_SECONDS):
                await self._gone.wait()

    async def _request(self, kind: str, within_seconds: float, **fields: Any) -> None:
        """Send a command and wait until it is done: for `send` that is the end of the answer."""
        assert self._connection is not None
        self._awaited = asyncio.get_running_loop().create_future()
        self._connection.request(kind, self._take_reply, **fields)
        try:
            async with asyncio.timeout(within_seconds):
                await self._awaited
        finally:
            self._awaited = None

    def _take_reply(self, frame: Frame) -> None:
        if frame["t"] == "err":
            self._settle(Refused.by(frame))
        elif frame["t"] == "opened":
            self.view.adopt(frame)
            self._settle()
        else:
            self.accepted_us = now_us()

    def _settle(self, failure: Exception | None = None) -> None:
        """What was asked for is there, or will never be."""
        if self._awaited is None or self._awaited.done():
            return
        if failure is None:
            self._awaited.set_result(None)
        else:
            self._awaited.set_exception(failure)

    def _take(self, frame: Frame) -> None:
        kind = frame["t"]
        if kind == "d":
            self._note_arrival(frame["x"])
        was_adrift = self.view.is_adrift
        verdict = self.view.apply(frame)
        if verdict is Verdict.ADRIFT or (verdict is Verdict.DROPPED and not was_adrift):
            self.faults.append(f"{verdict.value} at {kind} {frame.get('s')}: {self.view.last} was the last")
        if kind == "done":
            self._end_answer(frame)

    def _note_arrival(self, text: str) -> None:
        received_us = now_us()
        if self.first_token_us == 0:
            self.first_token_us = received_us
        if self._recorder.is_on:
            self._recorder.delays_us.extend(delays_us(text, received_us))

    def _end_answer(self, done: Frame) -> None:
        if done["why"] != "stop":
            self.faults.append(f"an answer ended {done['why']}")
        elif not self.view.is_adrift:
            self.whole_answers += 1
        self._settle()

    def _lost(self, end: End) -> None:
        self._gone.set()
        if not self._is_leaving:
            self.faults.append(f"the connection was lost with {end.code} {end.reason}")
            self._settle(Ended(end))
