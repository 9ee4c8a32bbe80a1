"""Event streams of chat completions, in any pieces."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.llm import event_stream
from server.llm.event_stream import EventStream
from server.llm.model import Fault, ProviderUsage

USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 5}}


def event(**fields: Any) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def text(content: str | None, **more: Any) -> bytes:
    return event(id="x", choices=[{"index": 0, "delta": {"content": content}, **more}], usage=None)


def fault(events: EventStream) -> object:
    assert events.error is not None
    return events.error.details["fault"]


STREAM = (
    event(choices=[{"delta": {"role": "assistant", "content": ""}}])
    + b": a comment\r\n\r\nevent: ping\nretry: 5\n\n"
    + text("Hé")
    + text("llo 😀", finish_reason=None).replace(b"\n", b"\r\n")
    + text(None, finish_reason="length")
    + event(choices=[], usage=USAGE)
    + b"data: [DONE]\n\n"
    + text("never")
)


@given(st.lists(st.integers(1, 80), min_size=1))
def test_the_pieces_do_not_matter(lengths: list[int]) -> None:
    events, texts, start, turn = EventStream(), list[str](), 0, 0
    while start < len(STREAM):
        length = lengths[turn % len(lengths)]
        texts += events.feed(STREAM[start : start + length])
        start, turn = start + length, turn + 1
    assert texts == ["Hé", "llo 😀"]
    assert (events.finish, events.is_over, events.error) == ("length", True, None)
    assert events.usage == ProviderUsage(7, 2, 5)


@pytest.mark.parametrize(
    ("said", "finish"), [("stop", "stop"), ("length", "length"), ("content_filter", "filter"), ("tool_calls", "stop")]
)
def test_reasons(said: str, finish: str) -> None:
    events = EventStream()
    events.feed(text("x", finish_reason=said))
    assert events.finish == finish


def test_a_refusal_of_the_model_is_text() -> None:
    assert EventStream().feed(event(choices=[{"delta": {"content": None, "refusal": "I cannot."}}])) == ["I cannot."]


def test_halves_of_pairs_and_bytes_that_are_no_text_are_passed_on() -> None:
    events = EventStream()
    assert events.feed(b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n') == ["\ud83d"]
    assert events.feed(b'data: {"choices":[{"delta":{"content":"a\xff"}}]}\n') == ["a\ufffd"]
    assert events.feed(b'data: {"choices":[{"delta":{"content":"\\u0000"}}]}\n') == ["\0"]


@pytest.mark.parametrize(
    "line",
    [
        b"data: nonsense\n",
        b'data: {"choices":[{"del\n',
        b'data: {"choices":5}\n',
        b"data: []\n",
        b"data: " + b"[" * 9_999,
    ],
)
def test_what_cannot_be_read_is_an_error_after_what_could(line: bytes) -> None:
    events = EventStream()
    assert events.feed(text("before") + line + b"\n") == ["before"]
    assert fault(events) == Fault.GARBLED
    assert events.is_over


def test_an_error_of_the_provider_ends_the_stream() -> None:
    events = EventStream()
    assert events.feed(text("before") + event(error={"message": "out of memory"}) + text("after")) == ["before"]
    assert fault(events) == Fault.FAILING


def test_an_endless_line_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "LINE_MAX_BYTES", 100)
    events = EventStream()
    assert events.feed(b"data: " + b"x" * 101) == []
    assert fault(events) == Fault.GARBLED


def test_figures_that_are_missing_count_as_none() -> None:
    events = EventStream()
    events.feed(event(choices=None, usage={"prompt_tokens": None}))
    assert events.usage == ProviderUsage(0, 0, None)


@pytest.mark.parametrize(
    "usage",
    [
        {**USAGE, "prompt_tokens": 3_000_000_000},
        {**USAGE, "completion_tokens": -1},
        {**USAGE, "completion_tokens": 10**30},
        {**USAGE, "prompt_tokens_details": {"cached_tokens": 2**31}},
    ],
)
def test_figures_that_cannot_be_true_are_dropped(usage: dict[str, Any]) -> None:
    events = EventStream()
    assert events.feed(text("x") + event(choices=[], usage=usage)) == ["x"]
    assert (events.usage, events.error) == (None, None)
