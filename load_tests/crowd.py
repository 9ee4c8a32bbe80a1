"""Many fans at once: made, connected a few at a time, and sent home."""

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from load_tests.fan import Fan, Recorder
from load_tests.servers import RunningServer
from load_tests.stage import CHANNEL, Stage

AT_ONCE: Final = 20
"""Fans who connect, or leave, at the same time."""
SHOWN_FAULTS_MAX: Final = 20
"""A broken server may make a fault of every event; some are enough to know it."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Fans with open sockets on one server.

    Attributes:
        recorder: what they all write the delays of tokens into.
    """

    stage: Stage
    server: RunningServer
    fans: Sequence[Fan]
    recorder: Recorder

    @property
    def groups(self) -> Mapping[str, int]:
        """The processes that take part, for `machine.Reading`."""
        return {**self.stage.pids, "server": self.server.pid, "fans": os.getpid()}

    @property
    def faults(self) -> Sequence[str]:
        """What all of them found wrong, the first ones only."""
        return [fault for fan in self.fans for fault in fan.faults][:SHOWN_FAULTS_MAX]

    @property
    def whole_answers(self) -> int:
        """Answers whose length and digest were right."""
        return sum(fan.whole_answers for fan in self.fans)


@contextlib.asynccontextmanager
async def crowd(
    stage: Stage, server: RunningServer, size: int, *, fans_per_session: int = 1, first_number: int = 0
) -> AsyncIterator[Crowd]:
    """So many fans who have said hello, and who leave at the end.

    Args:
        fans_per_session: how many sockets a visitor has; a visitor gets one answer at a time.
        first_number: of the first fan; decides from which addresses they come.
    """
    recorder = Recorder()
    tokens = await stage.sessions(-(-size // fans_per_session))
    fans = [Fan(first_number + number, tokens[number // fans_per_session], recorder) for number in range(size)]
    try:
        await in_turns(fans, lambda fan: fan.connect(server.url))
        yield Crowd(stage, server, fans, recorder)
    finally:
        await in_turns(fans, Fan.leave)


async def open_chats(fans: Sequence[Fan]) -> None:
    """Each of them opens a chat."""
    await in_turns(fans, lambda fan: fan.open_chat(CHANNEL))


async def in_turns(fans: Sequence[Fan], act: Callable[[Fan], Awaitable[None]]) -> None:
    """All of them do this, a few at the same time."""
    for start in range(0, len(fans), AT_ONCE):
        await asyncio.gather(*(act(fan) for fan in fans[start : start + AT_ONCE]))


@contextlib.contextmanager
def steady_hands() -> Iterator[None]:
    """No garbage collection of our own while something is measured."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
