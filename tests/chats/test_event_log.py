"""Replay from the log: exact, or none."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from server.chats.event_log import KEPT_BYTES, KEPT_SECONDS, EventLog
from server.domain.events import Delta, NearLimit, Usage
from server.ws.encoding import encode_event


@given(st.lists(st.integers(0, 5), max_size=20), st.integers(-1, 120))
def test_a_cursor_gets_exactly_what_it_misses_or_nothing(chunks: list[int], seq: int) -> None:
    """Each number is a delta of so many chunks; 0 is an event of another kind."""
    log = EventLog(encode_event)
    ends = [0]
    texts: dict[int, str] = {}
    for count in chunks:
        event = Delta(chr(ord("a") + count) * count, count) if count else NearLimit(80, Usage(1, 2))
        ends.append(log.append(event, 0.0, count or 1).s)
        texts[ends[-1]] = event.text if isinstance(event, Delta) else "|"
    missed = log.after(seq)
    if seq not in ends:
        assert missed is None
        return
    assert missed is not None
    said = "".join(event.event.text if isinstance(event.event, Delta) else "|" for event in missed)
    assert said == "".join(text for end, text in texts.items() if end > seq)
    reached = seq
    for encoded in missed:
        assert encoded.s - encoded.n == reached
        reached = encoded.s
    assert reached == log.head
    kinds = [type(event.event) for event in missed]
    assert (Delta, Delta) not in pairwise(kinds)


def test_the_running_answer_is_kept_whole() -> None:
    log = EventLog(encode_event)
    log.hold()
    for _ in range(40):
        log.append(Delta("x" * 10_000), 0.0)
    log.trim(10 * KEPT_SECONDS)
    missed = log.after(0)
    assert missed is not None
    assert sum(event.n for event in missed) == 40


def test_after_the_answer_only_what_is_young_or_small_is_kept() -> None:
    log = EventLog(encode_event)
    log.hold()
    for _ in range(40):
        log.append(Delta("x" * 10_000), 0.0)
    log.release(KEPT_SECONDS - 1)
    assert log.after(0) is not None
    log.trim(KEPT_SECONDS)
    assert log.after(0) is None
    kept = log.after(40 - 20)
    assert kept is not None
    assert sum(event.size_bytes for event in kept) <= KEPT_BYTES
