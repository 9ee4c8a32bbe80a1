"""What a snapshot shows of a chat."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from server.chats.transcript import SHOWN_BYTES, SHOWN_MESSAGES, LiveMessage, Transcript
from server.domain.chats import MessageStatus, MessageType
from server.storage.ids import new_id


def message_of(seq: int, text: str) -> LiveMessage:
    message = LiveMessage(new_id(), MessageType.AI, MessageStatus.DONE, seq, 1, datetime.now(UTC))
    message.add(text)
    return message


@settings(deadline=None)
@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=80))
def test_the_newest_messages_are_shown_within_the_limits_and_the_last_one_always(sizes: list[int]) -> None:
    transcript = Transcript([message_of(seq, "x" * size) for seq, size in enumerate(sizes, 1)])
    shown = transcript.shown()
    assert shown == transcript.messages[-len(shown) :]
    assert len(shown) <= SHOWN_MESSAGES
    assert len(shown) == 1 or sum(len(one.text) + 2 for one in shown) <= SHOWN_BYTES


def test_the_size_is_what_goes_over_the_wire() -> None:
    transcript = Transcript([message_of(1, "\x01" * 10_000), message_of(2, "\x01" * 10_000)])
    assert len(transcript.shown()) == 1


def test_a_message_is_as_long_as_its_parts() -> None:
    message = message_of(1, "One ")
    message.add("two ")
    message.add("three")
    assert message.text == "One two three"
    assert Transcript([message]).by_id(message.id) is message
