"""The outbox: whatever the reader's pace, what arrives is in order and complete, or a snapshot says the same."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from server.chats.event_log import EventLog
from server.domain.chats import EndReason
from server.domain.events import AnswerDone, AnswerStarted, Delta, EncodedEvent, NearLimit, SequencedEvent, Usage
from server.storage.ids import new_id
from server.ws.encoding import encode_event
from server.ws.outbox import FRAME_BYTES_MAX, LAGGING_BYTES, OVERFLOW_BYTES, Outbox
from server.ws.protocol import CreditFigures, MessageView, Opened, SnapFrame, UsageFigures, encode
from tests.support.socket_client import ChatView, Frame


@dataclass(eq=False)
class Chat:
    """A chat that one socket follows: the truth that the socket's view is compared with."""

    outbox: Outbox
    k: int = 1
    viewer_ref: int = 1
    log: EventLog = field(default_factory=lambda: EventLog(encode_event))
    texts: dict[str, str] = field(default_factory=dict)
    running: str = ""
    epoch: int = 1

    def publish(self, event: SequencedEvent, chunks: int = 1) -> EncodedEvent:
        encoded = self.log.append(event, 0.0, chunks)
        self.outbox.put_event(self, encoded)
        return encoded

    def start(self) -> None:
        answer = new_id()
        self.running = str(answer)
        self.texts[self.running] = ""
        self.publish(AnswerStarted(answer, new_id(), "scripted"))

    def say(self, text: str) -> None:
        self.texts[self.running] += text
        self.publish(Delta(text))

    def say_more_than_an_array(self) -> None:
        """Two answers of which the second does not go into one array with the first."""
        self.say("x" * (LAGGING_BYTES - 2_000))
        self.end()
        self.start()
        self.say("x" * 4_000)

    def end(self) -> None:
        text = self.texts[self.running]
        sha = hashlib.sha256(text.encode()).hexdigest()
        self.publish(AnswerDone(UUID(self.running), EndReason.STOP, Usage(1, 2), len(text), sha))

    def begin_epoch(self) -> None:
        """Another node has taken over: what it says is numbered anew."""
        self.epoch += 1
        self.log = EventLog(encode_event)
        self.outbox.reopen(self)

    def opened_frame(self) -> str:
        newest = list(self.texts.items())[-1:]  # as the transcript does: always the last one, others within 64 KiB
        messages = [MessageView(id=one, type="ai", text=text, status="streaming", tok=1) for one, text in newest]
        return encode(
            Opened(
                k=self.k,
                chat="c",
                channel="deep-sea-lab",
                epoch=str(self.epoch),
                seq=self.log.head,
                mode="snapshot",
                role="owner",
                state="answering",
                usage=UsageFigures(0, 1, 1),
                credit=CreditFigures(0, "spent"),
                msgs=messages,
            )
        )

    def snap_frame(self, s: int) -> str | None:
        return encode(SnapFrame(self.k, s, self.running, self.texts[self.running]))


def frames_of(outbox: Outbox) -> list[Frame]:
    frames: list[Frame] = []
    while more := next_frames(outbox):
        frames.extend(more)
    return frames


def next_frames(outbox: Outbox) -> list[Frame]:
    text = outbox.take()
    if text is None:
        return []
    assert len(text.encode()) <= FRAME_BYTES_MAX
    data = json.loads(text)
    return data if isinstance(data, list) else [data]


def test_an_idle_socket_gets_each_event_as_it_is() -> None:
    outbox = Outbox()
    chat = Chat(outbox)
    chat.start()
    assert [frame["t"] for frame in frames_of(outbox)] == ["start"]
    chat.say("Well")
    assert outbox.take() == '{"t":"d","k":1,"s":2,"x":"Well"}'
    assert outbox.take() is None


@dataclass
class Gate:
    """A socket that can be written to without waiting, or not."""

    is_open: bool = True
    sent: list[Frame] = field(default_factory=list)

    def send_now(self, frame: str) -> bool:
        if self.is_open:
            self.sent.append(json.loads(frame))
        return self.is_open


def test_an_event_goes_out_at_once_where_nothing_waits() -> None:
    gate = Gate()
    outbox = Outbox(gate.send_now)
    chat = Chat(outbox)
    chat.start()
    chat.say("Well")
    assert [frame["t"] for frame in gate.sent] == ["start", "d"]
    assert outbox.take() is None


def test_an_event_overtakes_nothing_that_waits_or_is_being_sent() -> None:
    gate = Gate()
    outbox = Outbox(gate.send_now)
    chat = Chat(outbox)
    outbox.put('{"t":"ok"}')
    chat.start()
    assert outbox.take() is not None
    outbox.block()
    chat.say("Well")
    outbox.unblock()
    assert gate.sent == []
    assert [frame["t"] for frame in frames_of(outbox)] == ["d"]


def test_what_waits_together_is_joined() -> None:
    outbox = Outbox()
    chat = Chat(outbox)
    chat.start()
    for word in ("a", "b", "c"):
        chat.say(word)
    start, delta = frames_of(outbox)
    assert (start["t"], delta) == ("start", {"t": "d", "k": 1, "s": 4, "x": "abc", "n": 3})


def test_past_the_lagging_size_deltas_become_one_snapshot_of_the_text() -> None:
    outbox = Outbox()
    fast, slow = Chat(outbox, k=1), Chat(outbox, k=2)
    for chat in (fast, slow):
        chat.start()
    frames = frames_of(outbox)
    for _ in range(LAGGING_BYTES // 2000 + 10):
        fast.say("x" * 1000)
        slow.say("y" * 1000)
    frames += frames_of(outbox)
    assert "snap" in [frame["t"] for frame in frames]
    for chat in (fast, slow):
        view = ChatView(chat.k)
        for frame in frames:
            view.apply(frame)
        assert (view.last, view.texts) == (chat.log.head, chat.texts)


def test_past_the_last_size_the_socket_is_given_up() -> None:
    outbox = Outbox()
    for _ in range(OVERFLOW_BYTES // 1000 + 1):
        outbox.put("x" * 1000)
    assert outbox.has_overflowed


def test_nothing_is_kept_for_a_socket_that_was_given_up() -> None:
    outbox = Outbox()
    given_up: list[bool] = []
    outbox.block(lambda: given_up.append(True))
    for _ in range(2 * OVERFLOW_BYTES // 1000):
        outbox.put("x" * 1000)
    assert given_up == [True]
    assert sum(len(item.frame or "") for item in outbox._items) <= OVERFLOW_BYTES + 1000


def more_than_an_array(outbox: Outbox) -> Chat:
    """A chat of which more waits than goes into one array; the first array was taken."""
    chat = Chat(outbox)
    chat.start()
    chat.say_more_than_an_array()
    assert outbox.take() is not None
    return chat


def test_what_did_not_go_into_an_array_does_not_follow_the_snapshot_of_a_new_epoch() -> None:
    outbox = Outbox()
    more_than_an_array(outbox).begin_epoch()
    assert [frame["t"] for frame in frames_of(outbox)] == ["opened"]


def test_what_did_not_go_into_an_array_is_forgotten_with_its_chat() -> None:
    outbox = Outbox()
    outbox.forget(more_than_an_array(outbox))
    assert frames_of(outbox) == []


def test_a_snapshot_does_not_overtake_what_opens_the_chat_or_answers_a_command() -> None:
    outbox = Outbox()
    chat = Chat(outbox)
    outbox.put('{"t":"opened","rid":2}')
    chat.start()
    chat.say("x" * LAGGING_BYTES)
    chat.end()
    outbox.put('{"t":"ok","rid":3}')
    chat.start()
    chat.say("too much")
    first, ok, snapshot = frames_of(outbox)
    assert (first, ok) == ({"t": "opened", "rid": 2}, {"t": "ok", "rid": 3})
    assert (snapshot["t"], snapshot["mode"], snapshot["seq"]) == ("opened", "snapshot", chat.log.head)


def test_a_figure_that_did_not_go_into_an_array_is_replaced_by_a_newer_one() -> None:
    outbox = Outbox()
    outbox.put('"' + "x" * (FRAME_BYTES_MAX - 20) + '"')
    outbox.put_latest(("usage", 1), '{"t":"usage","k":1}')
    assert outbox.take() is not None
    outbox.put_latest(("usage", 1), '{"t":"usage","k":1,"newer":true}')
    assert frames_of(outbox) == [{"t": "usage", "k": 1, "newer": True}]


def test_only_the_newest_figure_is_sent() -> None:
    outbox = Outbox()
    outbox.put_latest(("usage", 1), '{"t":"usage","k":1}')
    outbox.put_latest(("usage", 1), '{"t":"usage","k":1,"newer":true}')
    assert frames_of(outbox) == [{"t": "usage", "k": 1, "newer": True}]


def test_a_chat_that_is_not_followed_any_more_says_nothing() -> None:
    outbox = Outbox()
    chat = Chat(outbox)
    chat.start()
    outbox.forget(chat)
    assert frames_of(outbox) == []


ANSWER_CHARACTERS_MAX = 60_000
"""The real limit of an answer is 192 KiB of JSON."""

STEP = st.sampled_from(["say", "say", "say", "near", "end", "read", "reopen", "long", "open", "shut"])


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=80))
def test_the_reader_is_right_whatever_its_pace(steps: list[str]) -> None:
    gate = Gate(is_open=False)
    outbox = Outbox(gate.send_now)
    chat = Chat(outbox)
    view = ChatView(1)

    def read() -> None:
        """What was sent at once came before what waits now."""
        for frame in [*gate.sent, *frames_of(outbox)]:
            view.apply(frame)
        gate.sent.clear()

    chat.start()
    for number, step in enumerate(steps):
        match step:
            case "say":
                chat.say(f"word {number} ")
            case "long" if len(chat.texts[chat.running]) < ANSWER_CHARACTERS_MAX:
                chat.say("é" * 20_000)
            case "near":
                chat.publish(NearLimit(80, Usage(40_000, 50_000)))
            case "end":
                chat.end()
                chat.start()
            case "reopen":
                outbox.reopen(chat)
            case "open" | "shut":
                read()
                gate.is_open = step == "open"
            case _:
                read()
        if outbox.has_overflowed:
            return
    read()
    assert view.texts[chat.running] == chat.texts[chat.running]
    assert view.last == chat.log.head


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["say", "flood", "take", "read", "epoch", "reopen"]), max_size=30))
def test_nothing_of_an_old_epoch_follows_the_new_one(steps: list[str]) -> None:
    outbox = Outbox()
    chat = Chat(outbox)
    view = ChatView(1)
    act: dict[str, Callable[[], object]] = {
        "say": lambda: chat.say("word "),
        "flood": chat.say_more_than_an_array,
        "take": lambda: [view.apply(frame) for frame in next_frames(outbox)],
        "read": lambda: [view.apply(frame) for frame in frames_of(outbox)],
        "epoch": chat.begin_epoch,
        "reopen": lambda: outbox.reopen(chat),
    }
    chat.start()
    for step in [*steps, "read"]:
        act[step]()
        if len(chat.texts[chat.running]) > ANSWER_CHARACTERS_MAX:
            chat.end()
            chat.start()
    act["read"]()
    assert view.texts[chat.running] == chat.texts[chat.running]
    assert (view.epoch, view.last) in {("", chat.log.head), (str(chat.epoch), chat.log.head)}
