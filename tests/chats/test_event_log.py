"""Replay from the log: exact, or none."""

from hypothesis import given
from hypothesis import strategies as st

from server.chats.event_log import KEPT_BYTES, KEPT_SECONDS, EventLog
from server.domain.events import Delta
from server.ws.encoding import encode_event


def log_of(chunks: list[int]) -> EventLog:
    log = EventLog(encode_event)
    for count in chunks:
        log.append(Delta("x" * count, count), 0.0, count)
    return log


@given(st.lists(st.integers(1, 5), max_size=20), st.integers(-1, 120))
def test_a_cursor_gets_exactly_what_it_misses_or_nothing(chunks: list[int], seq: int) -> None:
    log = log_of(chunks)
    ends = [0]
    for count in chunks:
        ends.append(ends[-1] + count)
    missed = log.after(seq)
    if seq not in ends:
        assert missed is None
        return
    assert missed is not None
    assert [event.s for event in missed] == [end for end in ends if end > seq]
    assert sum(event.n for event in missed) == log.head - seq


def test_the_running_answer_is_kept_whole() -> None:
    log = EventLog(encode_event)
    log.hold()
    for _ in range(40):
        log.append(Delta("x" * 10_000), 0.0)
    log.trim(10 * KEPT_SECONDS)
    missed = log.after(0)
    assert missed is not None
    assert len(missed) == 40


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
