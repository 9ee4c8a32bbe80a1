"""Figures without a number go out behind numbered events: they may not tell what is older than these."""

import json
from collections.abc import Callable

from server.domain.chats import EndReason
from server.domain.events import AnswerDone, EncodedEvent, Usage
from server.storage.ids import new_id
from server.ws.encoding import encode_event, usage_figures
from server.ws.outbox import Outbox
from server.ws.protocol import UsageFrame, encode
from tests.support.socket_client import Frame

CAP_TOKENS = 50_000


class Chat:
    """A followed chat of which nothing but events is asked."""

    k = 1
    viewer_ref = 1

    def opened_frame(self) -> str:
        """Not asked for."""
        raise AssertionError

    def snap_frame(self, s: int) -> str | None:
        """Not asked for."""
        raise AssertionError(s)


def usage_frame(used: int) -> str:
    return encode(UsageFrame(Chat.k, usage_figures(Usage(used, CAP_TOKENS))))


def done(used: int) -> EncodedEvent:
    return encode_event(AnswerDone(new_id(), EndReason.STOP, Usage(used, CAP_TOKENS), 0, ""), 1, 1)


def writing_to(sent: list[str]) -> Callable[[str], bool]:
    """A socket that can always be written to."""

    def send_now(frame: str) -> bool:
        sent.append(frame)
        return True

    return send_now


def taken(outbox: Outbox) -> list[Frame]:
    frames: list[Frame] = []
    while (text := outbox.take()) is not None:
        data = json.loads(text)
        frames.extend(data if isinstance(data, list) else [data])
    return frames


def test_usage_that_was_not_sent_yet_does_not_follow_the_end_of_its_answer() -> None:
    outbox = Outbox()
    outbox.put_latest(("usage", Chat.k), usage_frame(900))
    outbox.put_event(Chat(), done(1_000))
    assert [(frame["t"], frame["usage"]["used"]) for frame in taken(outbox)] == [("done", 1_000)]


def test_usage_of_another_chat_is_still_told() -> None:
    outbox = Outbox()
    outbox.put_latest(("usage", Chat.k + 1), usage_frame(900))
    outbox.put_event(Chat(), done(1_000))
    assert [frame["t"] for frame in taken(outbox)] == ["done", "usage"]


def test_a_figure_leaves_at_once_where_it_may_and_nothing_waits() -> None:
    sent: list[str] = []
    outbox = Outbox(writing_to(sent))
    outbox.put_latest(("usage", Chat.k), usage_frame(900), at_once=True)
    assert sent == [usage_frame(900)]
    assert outbox.is_empty


def test_a_figure_overtakes_nothing() -> None:
    sent: list[str] = []
    outbox = Outbox(writing_to(sent))
    outbox.put('{"t":"ok"}')
    outbox.put_latest(("usage", Chat.k), usage_frame(900), at_once=True)
    outbox.block()
    outbox.put_latest(("usage", Chat.k + 1), usage_frame(900), at_once=True)
    assert not sent
    assert [frame["t"] for frame in taken(outbox)] == ["ok", "usage", "usage"]


def test_a_figure_that_a_command_brings_along_stays_behind_its_answer() -> None:
    sent: list[str] = []
    outbox = Outbox(writing_to(sent))
    outbox.put_latest(("channel", "deep-sea-lab"), '{"t":"channel"}')
    outbox.put('{"t":"opened"}')
    assert not sent
    assert [frame["t"] for frame in taken(outbox)] == ["opened", "channel"]
