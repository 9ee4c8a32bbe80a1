"""Frames: strict in, the same out whichever way they are written."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.events import CreditChanged, CreditReason, Delta, UserSaid
from server.storage.ids import new_id
from server.ws.encoding import encode_channel_event, encode_event
from server.ws.protocol import DeltaFrame, Send, Strike, decode, encode


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "[]",
        '[{"t":"ping","n":1}]',
        "null",
        '"ping"',
        "{}",
        '{"t":"ping"}',
        '{"t":"ping","n":"1"}',
        '{"t":"ping","n":1.5}',
        '{"t":"ping","n":1,"more":2}',
        '{"t":"dance","n":1}',
        '{"t":"send","rid":1,"k":1,"idem":"01234567"}',
        '{"t":"send","rid":1,"k":1,"idem":"01234567","text":"\\ud800"}',
        '{"t":"send","rid":1,"k":1,"idem":"01234567","text":7}',
        "[" * 50_000,
        '{"t":' * 10_000,
    ],
)
def test_what_is_no_command_is_a_strike(text: str) -> None:
    with pytest.raises(Strike):
        decode(text)


def test_a_command_with_a_value_that_will_be_refused_is_still_a_command() -> None:
    command = decode('{"t":"send","rid":1,"k":99,"idem":"","text":"\\u0000"}')
    assert command == Send(rid=1, k=99, idem="", text="\0")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 1000), st.integers(1, 20), st.integers(1, 9))
def test_the_delta_written_by_hand_is_the_one_of_the_struct(text: str, s: int, n: int, k: int) -> None:
    by_hand = encode_event(Delta(text, n), s, n).frame(k, 1)
    assert by_hand == encode(DeltaFrame(k, s, text, n))
    assert msgspec.json.decode(by_hand)["x"] == text


def test_a_message_tells_its_author_and_nobody_else_that_it_is_theirs() -> None:
    event = encode_event(UserSaid(new_id(), "Hello", 2, "Fan 2", 1), 1, 1)
    assert msgspec.json.decode(event.frame(3, 2))["who"] == {"ref": 2, "name": "Fan 2", "me": True}
    assert msgspec.json.decode(event.frame(3, 1))["who"] == {"ref": 2, "name": "Fan 2"}


def test_an_event_is_encoded_once_whatever_the_sockets_call_the_chat() -> None:
    event = encode_event(Delta("Hello"), 1, 1)
    for k in (1, 20):
        assert event.frame(k, 1) == f'{{"t":"d","k":{k},{event.body}'


def test_a_balance_is_told_with_its_reason() -> None:
    frame = encode_channel_event(CreditChanged("deep-sea-lab", 40, CreditReason.SPEND))
    assert msgspec.json.decode(frame) == {"t": "credit", "channel": "deep-sea-lab", "balance": 40, "why": "spend"}
