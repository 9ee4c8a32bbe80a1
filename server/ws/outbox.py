"""What waits to be sent to one socket. Whoever puts something in never waits; what happens when the reader is slow is
decided here (`docs/protocol.md`, *Promises*).

An idle socket gets each event at once, from whoever puts it in. Behind a slow one, adjacent deltas are joined and
frames go out as arrays; past 256 KiB or 10 s its deltas are dropped and one `snap` follows when it can be written to;
past 1 MiB or 20 s the socket is closed.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from server.domain.events import AnswerDone, AnswerStarted, Delta, EncodedEvent, NearLimit
from server.ws.encoding import delta_body
from server.ws.protocol import json_of

FRAME_BYTES_MAX: Final = 256 * 1024
"""The largest frame that the server sends."""
LAGGING_BYTES: Final = 256 * 1024
LAGGING_SECONDS: Final = 10.0
OVERFLOW_BYTES: Final = 1024 * 1024
OVERFLOW_SECONDS: Final = 20.0
HEAD_BYTES: Final = 24
"""About what stands before the body of an event."""


class Lane(Protocol):
    """One followed chat of the socket, as the outbox needs to know it."""

    @property
    def k(self) -> int:
        """The alias of the chat on this socket."""

    @property
    def viewer_ref(self) -> int | None:
        """The member number of who reads; None for somebody who is no member."""

    def opened_frame(self) -> str:
        """A snapshot of the chat as it is now."""

    def snap_frame(self, s: int) -> str | None:
        """The text of the newest answer as it is now; None when there is no answer."""


@dataclass(slots=True)
class _Item:
    """A frame, or an event of a lane that becomes one when it is sent.

    Attributes:
        lane: whose the event or the frame is; None: an answer to a command, or a figure. With neither frame nor event
            it is a snapshot of the lane, made when it is sent.
        latest: what a figure is of; None: it is no figure.
    """

    size_bytes: int
    frame: str | None = None
    lane: Lane | None = None
    event: EncodedEvent | None = None
    latest: tuple[str, object] | None = None


class Outbox:
    """The queue of one socket.

    Attributes:
        filled: set while there is something to send.
        has_overflowed: whether the socket is past saving; nothing more is kept for it.
    """

    def __init__(self, send_now: Callable[[str], bool] | None = None) -> None:
        """Nothing waits yet.

        Args:
            send_now: sends a frame without waiting, or says that it cannot; None: everything is to be taken.
        """
        self._send_now = send_now or (lambda frame: False)
        self.filled = asyncio.Event()
        self.has_overflowed = False
        self._items: deque[_Item] = deque()
        self._latest: dict[tuple[str, object], str] = {}
        self._size_bytes = 0
        self._lagging: dict[Lane, int] = {}
        self._reopening: set[Lane] = set()
        self._blocked_seconds: float | None = None
        self._give_up: Callable[[], None] | None = None

    def put(self, frame: str) -> None:
        """Queue an answer to a command."""
        self._append(_Item(len(frame.encode()), frame))

    def put_latest(self, key: tuple[str, object], frame: str, *, at_once: bool = False) -> None:
        """Queue a figure of which only the newest counts; it goes out behind what is numbered.

        Args:
            at_once: send it where nothing waits. Not for what a command brings along: its answer is put in behind.
        """
        if at_once and self._is_clear and self._send_now(frame):
            return
        self._latest[key] = frame
        self.filled.set()

    def put_event(self, lane: Lane, event: EncodedEvent) -> None:
        """Send or queue the next event of a chat, or drop it where a snapshot will say the same."""
        if self._is_clear and self._send_now(event.frame(lane.k, lane.viewer_ref)):
            return
        if isinstance(event.event, AnswerDone):
            self._latest.pop(("usage", lane.k), None)  # `done` has newer figures, and these would go out behind it
        if lane in self._reopening:
            return
        if lane in self._lagging and isinstance(event.event, AnswerStarted):
            self.reopen(lane)  # one `snap` cannot speak of two answers
        elif self._must_lag(lane, event):
            self._lag(lane, event)
        else:
            self._append(_Item(event.size_bytes + HEAD_BYTES, None, lane, event))

    def reopen(self, lane: Lane) -> None:
        """Drop the events and figures of a chat; a snapshot of it goes out before any other.

        It goes out behind the answers to commands that wait already: one of them may be what opens the chat.
        """
        self.forget(lane)
        self._reopening.add(lane)
        self._append(_Item(0, lane=lane))

    def forget(self, lane: Lane) -> None:
        """Drop what waits of a chat that is not followed, or not written here, any more."""
        self._drop(lane, lambda event: True)
        self._lagging.pop(lane, None)
        self._reopening.discard(lane)
        self._latest.pop(("usage", lane.k), None)

    def block(self, give_up: Callable[[], None] | None = None) -> None:
        """A send has begun and is not done.

        Args:
            give_up: ends the send when too much waits behind it; None: nothing does.
        """
        self._blocked_seconds = time.monotonic()
        self._give_up = give_up

    def unblock(self) -> None:
        """The send is done."""
        self._blocked_seconds = self._give_up = None

    def take(self) -> str | None:
        """Return the next frame to send: one event, or an array of several; None when nothing waits."""
        if len(self._items) == 1 and not (self._latest or self._lagging or self._reopening):
            item = self._items.popleft()
            self._size_bytes = 0
            self.filled.clear()
            return _frame_of(item)
        frames = self._take_frames()
        if not frames:
            self.filled.clear()
            return None
        return frames[0] if len(frames) == 1 else f"[{','.join(frames)}]"

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not (self._items or self._latest or self._lagging or self._reopening)

    @property
    def _is_clear(self) -> bool:
        """Whether nothing waits or is being sent, so that nothing would be overtaken."""
        return self._blocked_seconds is None and not (self._items or self._latest or self._lagging or self._reopening)

    def _append(self, item: _Item) -> None:
        if self.has_overflowed:
            return
        self._items.append(item)
        self._size_bytes += item.size_bytes
        self.filled.set()
        if self._size_bytes > OVERFLOW_BYTES:
            self.has_overflowed = True
            if self._give_up is not None:
                self._give_up()

    def _must_lag(self, lane: Lane, event: EncodedEvent) -> bool:
        if not isinstance(event.event, Delta | NearLimit):
            return False
        if lane in self._lagging or self._size_bytes > LAGGING_BYTES:
            return True
        return self._blocked_seconds is not None and time.monotonic() - self._blocked_seconds > LAGGING_SECONDS

    def _lag(self, lane: Lane, event: EncodedEvent) -> None:
        if lane not in self._lagging:
            self._drop(lane, lambda queued: queued is not None and isinstance(queued.event, Delta | NearLimit))
            if any(item.lane is lane for item in self._items):
                self.reopen(lane)  # the end of one answer still waits, and another one runs: only a snapshot is exact
                return
        self._lagging[lane] = event.s
        self.filled.set()

    def _drop(self, lane: Lane, unwanted: Callable[[EncodedEvent | None], bool]) -> None:
        kept = [item for item in self._items if item.lane is not lane or not unwanted(item.event)]
        self._items = deque(kept)
        self._size_bytes = sum(item.size_bytes for item in kept)

    def _take_frames(self) -> list[str]:
        frames: list[str] = []
        size_bytes = 2
        for item in self._due():
            frame = _frame_of(item)
            frame_bytes = len(frame.encode()) + 1
            if frames and size_bytes + frame_bytes > FRAME_BYTES_MAX:
                self._put_back(_Item(frame_bytes, frame, item.lane, latest=item.latest))
                break
            size_bytes += frame_bytes
            frames.append(frame)
        return frames

    def _put_back(self, item: _Item) -> None:
        """It stays the lane's, so that `reopen` and `forget` find it, and a figure stays replaceable."""
        if item.latest is not None and item.frame is not None:
            self._latest[item.latest] = item.frame
        else:
            self._items.appendleft(item)
            self._size_bytes += item.size_bytes

    def _due(self) -> Iterator[_Item]:
        """Yield what is to be sent, in order; whoever stops early puts back the last one."""
        while self._items:
            item = self._items[0]
            if item.lane is not None and item.lane in self._lagging:
                yield from self._catch_up(item.lane)
                continue
            yield self._next_item()
        while self._lagging:
            yield from self._catch_up(next(iter(self._lagging)))
        while self._latest:
            key = next(iter(self._latest))
            yield _Item(0, self._latest.pop(key), latest=key)

    def _catch_up(self, lane: Lane) -> Iterator[_Item]:
        snap = lane.snap_frame(self._lagging.pop(lane))
        if snap is not None:
            yield _Item(0, snap, lane)

    def _next_item(self) -> _Item:
        """Take the oldest item, and the deltas behind it that continue it."""
        item = self._items.popleft()
        self._size_bytes -= item.size_bytes
        if item.lane is not None and item.frame is None and item.event is None:
            self._reopening.discard(item.lane)
            return _Item(0, item.lane.opened_frame(), item.lane)
        run = [item.event] if item.event is not None and isinstance(item.event.event, Delta) else []
        while run and self._items and self._items[0].lane is item.lane and self._continues(run[-1]):
            following = self._items.popleft()
            self._size_bytes -= following.size_bytes
            assert following.event is not None
            run.append(following.event)
        if len(run) <= 1 or item.lane is None:
            return item
        return _Item(0, _joined(item.lane.k, run), item.lane)

    def _continues(self, last: EncodedEvent) -> bool:
        following = self._items[0].event
        return following is not None and isinstance(following.event, Delta) and following.s - following.n == last.s


def _frame_of(item: _Item) -> str:
    if item.frame is not None:
        return item.frame
    assert item.lane is not None
    assert item.event is not None
    return item.event.frame(item.lane.k, item.lane.viewer_ref)


def _joined(k: int, run: list[EncodedEvent]) -> str:
    text = "".join(event.event.text for event in run if isinstance(event.event, Delta))
    body = delta_body(run[-1].s, json_of(text), sum(event.n for event in run))
    return f'{{"t":"d","k":{k},{body}'
