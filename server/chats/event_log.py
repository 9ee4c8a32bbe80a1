"""The numbered events of one chat within one epoch, kept so that a follower can come back without a gap.

Kept are the running answer whole and, behind it, what is younger than a time or within a size (`docs/protocol.md`,
*Promises*). A cursor that the log cannot serve exactly gets a snapshot instead.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from server.domain.events import Delta, EncodedEvent, EncodeEvent, SequencedEvent

KEPT_SECONDS: Final = 60.0
KEPT_BYTES: Final = 256 * 1024


class _Unit(msgspec.Struct, frozen=True, gc=False):
    """What is kept of an event: of a delta its text alone, of any other all.

    Nearly every unit is a token. It takes a fifth of the memory so, and no object that the garbage collector looks at.
    """

    s: int
    n: int
    size_bytes: int
    at_seconds: float
    kept: str | EncodedEvent


class EventLog:
    """One total order of events with one writer.

    Attributes:
        head: the number of the newest event; 0 before the first.
    """

    def __init__(self, encode: EncodeEvent) -> None:
        self._encode = encode
        self._units: deque[_Unit] = deque()
        self._size_bytes = 0
        self._keep_from: int | None = None
        self.head = 0

    def append(self, event: SequencedEvent, now_seconds: float, chunks: int = 1) -> EncodedEvent:
        """Number and encode an event that covers `chunks` numbers, keep it and return it."""
        self.head += chunks
        encoded = self._encode(event, self.head, chunks)
        kept = event.text if isinstance(event, Delta) else encoded
        self._units.append(_Unit(self.head, chunks, encoded.size_bytes, now_seconds, kept))
        self._size_bytes += encoded.size_bytes
        return encoded

    def hold(self) -> None:
        """From here on keep everything: an answer runs."""
        self._keep_from = self.head + 1

    def release(self, now_seconds: float) -> None:
        """The answer has ended: keep only what is young or small enough."""
        self._keep_from = None
        self.trim(now_seconds)

    def trim(self, now_seconds: float) -> None:
        """Forget what is both too old and beyond the size that is kept."""
        while self._units:
            oldest = self._units[0]
            is_young = now_seconds - oldest.at_seconds < KEPT_SECONDS
            is_held = self._keep_from is not None and oldest.s >= self._keep_from
            if is_young or is_held or self._size_bytes <= KEPT_BYTES:
                return
            self._units.popleft()
            self._size_bytes -= oldest.size_bytes

    def after(self, seq: int) -> list[EncodedEvent] | None:
        """Return the events that follow the cursor `seq`, adjacent deltas joined; None when only a snapshot is exact:
        the cursor is ahead of the head, inside a unit, or older than what is kept."""
        if seq == self.head:
            return []
        if seq > self.head:
            return None
        later: list[_Unit] = []
        for unit in reversed(self._units):
            if unit.s <= seq:
                break
            later.append(unit)
        if not later or later[-1].s - later[-1].n != seq:
            return None
        return list(self._joined(reversed(later)))

    def _joined(self, units: Iterable[_Unit]) -> Iterator[EncodedEvent]:
        texts: list[str] = []
        s = n = 0
        for unit in units:
            if isinstance(unit.kept, str):
                texts.append(unit.kept)
                s, n = unit.s, n + unit.n
                continue
            if texts:
                yield self._delta(texts, s, n)
                texts, n = [], 0
            yield unit.kept
        if texts:
            yield self._delta(texts, s, n)

    def _delta(self, texts: list[str], s: int, n: int) -> EncodedEvent:
        return self._encode(Delta("".join(texts), n), s, n)
