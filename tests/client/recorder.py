"""A chat with a listener that keeps everything, and waits for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from client.chat import Chat, Listener
from client.errors import Refused
from client.frames import Frame
from client.link import Phase
from client.tickets import with_cookie
from client.wire import Address

DEADLINE_SECONDS: Final = 20.0
SLOW: Final = "A long story, please. [[tokens=120 rate=100]]"


@dataclass(eq=False)
class Recorder(Listener):
    """What one chat was told.

    Attributes:
        events: the numbered ones.
        figures: the others.
        openings: every `opened`.
        phases: as they came.
    """

    chat: Chat | None = None
    events: list[Frame] = field(default_factory=list)
    figures: list[Frame] = field(default_factory=list)
    openings: list[Frame] = field(default_factory=list)
    refusals: list[Refused] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def phase_changed(self, chat: Chat) -> None:
        self.phases.append(chat.link.phase)
        self._changed.set()

    def opened(self, chat: Chat, frame: Frame) -> None:
        self.openings.append(frame)
        self._changed.set()

    def happened(self, chat: Chat, frame: Frame) -> None:
        self.events.append(frame)
        self._changed.set()

    def told(self, chat: Chat, frame: Frame) -> None:
        self.figures.append(frame)
        self._changed.set()

    def refused(self, chat: Chat, refusal: Refused) -> None:
        self.refusals.append(refusal)
        self._changed.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until this is true; looked at whenever something is told."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_event(self, kind: str, count: int = 1) -> Frame:
        """The so-manieth event of this kind."""
        await self.until(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]

    def of(self, kind: str) -> list[Frame]:
        """Every event of this kind."""
        return [frame for frame in self.events if frame["t"] == kind]

    @property
    def running(self) -> Chat:
        """The chat."""
        assert self.chat is not None
        return self.chat

    def cut(self) -> None:
        """The network is gone, without a word."""
        connection = self.running.link._connection
        assert connection is not None
        assert connection._wire._transport is not None
        connection._wire._transport.abort()

    def heard(self, message_id: str) -> str:
        """What the chat says in this message."""
        return self.running.view.messages[message_id].text


@contextlib.asynccontextmanager
async def running_chat(url: str, cookie: str, *, chat_id: str | None = None) -> AsyncIterator[Recorder]:
    """A visitor's chat on `deep-sea-lab` that runs."""
    recorder = Recorder()
    recorder.chat = Chat(Address(url), "deep-sea-lab", with_cookie(cookie, url), chat_id=chat_id, listener=recorder)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(recorder.chat.run())
        try:
            yield recorder
        finally:
            recorder.chat.close()
