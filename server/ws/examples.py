"""One conversation, frame by frame, and what it does not show: the examples of the AsyncAPI document."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from msgspec import Struct

from server.domain.chats import EndReason
from server.domain.errors import Code
from server.domain.events import ClosedReason, CreditReason
from server.ws import protocol as wire
from server.ws.who import Who, WhoFrame

CHANNEL: Final = "deep-sea-lab"
CHAT: Final = "019ab5f2-71c4-7d3e-9a51-4f0c2e8b6d10"
CONNECTION: Final = "c_RjDX-9R4wc3S"
NODE: Final = "019ab5ee-0b7a-7c66-8e0f-2a9d4c1b7f35"
QUESTION: Final = "019ab5f2-8a10-7b02-b7c3-90e1d5a6f248"
ANSWER: Final = "019ab5f2-8a11-7e9f-84d6-1c3b7a5e0f92"
TEXT: Final = "Dr Button is a dumbo octopus. He keeps the lamp."
NOW_MS: Final = 1_795_344_735_750


@dataclass(frozen=True, slots=True)
class Line:
    """One frame of the conversation.

    Attributes:
        note: what happens here, for the reader; empty: nothing to say.
    """

    frame: Struct
    note: str = ""

    @property
    def is_command(self) -> bool:
        """Whether the client says it."""
        return isinstance(self.frame, wire.Command)


def _usage(used: int) -> wire.UsageFigures:
    return wire.UsageFigures(used, 50_000, 50_000 - used)


def _ready(rid: int) -> wire.Ready:
    return wire.Ready(rid, CONNECTION, NODE, Who("session", 1), 25_000, 3_000, wire.Limits(65_536, 16_000, 8), NOW_MS)


def _opened(rid: int, mode: str, head: int, *, state: str, used: int, balance: int, credit: str) -> wire.Opened:
    return wire.Opened(
        rid=rid,
        k=1,
        chat=CHAT,
        channel=CHANNEL,
        epoch="1",
        seq=head,
        mode=mode,
        role="owner",
        state=state,
        usage=_usage(used),
        credit=wire.CreditFigures(balance, credit),
        msgs=[] if mode == "new" else [_QUESTION, _ANSWER],
    )


_FAN: Final = wire.Author(1, "Fan 1", me=True)
_QUESTION: Final = wire.MessageView(
    QUESTION, "user", "Who is Dr Button?", "done", 5, who=_FAN, at="2026-11-22T12:52:15.811Z"
)
_ANSWER: Final = wire.MessageView(
    ANSWER, "ai", TEXT, "done", 14, QUESTION, model="SmolLM2-135M-Instruct", at="2026-11-22T12:52:15.811Z"
)

CONVERSATION: Final[Sequence[Line]] = (
    Line(wire.Hello(1, "example/1.0"), "The first frame on every socket."),
    Line(_ready(1)),
    Line(wire.Open(2, "open-5f1c09a7", CHANNEL), "A chat begins with its first message; nothing is charged yet."),
    Line(_opened(2, "new", 0, state="open", used=821, balance=50, credit="none")),
    Line(wire.ChannelFrame(CHANNEL, "ACTIVE", 1_000, 1_000, 50), "`open` watches the channel."),
    Line(wire.CreditFrame(CHANNEL, 50, CreditReason.NOW)),
    Line(wire.Send(3, 1, "send-77ab31e0", "Who is Dr Button?")),
    Line(wire.Ok(3, 1, QUESTION), "Stored, and one credit taken."),
    Line(wire.UserFrame(1, 1, QUESTION, "Who is Dr Button?", _FAN, 5), "From here on all who follow the chat see it."),
    Line(wire.StartFrame(1, 2, ANSWER, QUESTION, "SmolLM2-135M-Instruct")),
    Line(wire.CreditFrame(CHANNEL, 49, CreditReason.SPEND)),
    Line(wire.DeltaFrame(1, 3, "Dr")),
    Line(wire.DeltaFrame(1, 6, " Button is a", 3), "Three parts in one frame: numbers 4, 5 and 6."),
    Line(wire.UsageFrame(1, _usage(831))),
    Line(wire.Hello(1, "example/1.0"), "The socket dropped here. This is a new one, with the same session."),
    Line(_ready(1)),
    Line(wire.Sub(2, CHAT, "1", 6), "Number 6 was the last that was applied."),
    Line(_opened(2, "replay", 17, state="open", used=840, balance=49, credit="spent")),
    Line(wire.DeltaFrame(1, 16, " dumbo octopus. He keeps the lamp.", 10), "What was missed, in one frame."),
    Line(
        wire.DoneFrame(1, 17, ANSWER, EndReason.STOP, _usage(840), len(TEXT), sha256(TEXT.encode()).hexdigest()),
        "The text that was put together has this length and this digest.",
    ),
    Line(wire.Ping(7)),
    Line(wire.Pong(7, NOW_MS)),
    Line(wire.Close(3, 1)),
    Line(wire.ClosedFrame(1, 18, ClosedReason.USER)),
    Line(wire.Ok(3)),
)

MORE: Final[Sequence[Struct]] = (
    wire.Watch(2, CHANNEL),
    wire.Unwatch(3, CHANNEL),
    wire.Unsub(4, 1),
    wire.Stop(5, 1, ANSWER),
    wire.Err(
        rid=3,
        k=1,
        code=Code.TOO_LONG_FOR_REMAINING,
        msg="This message has 6200 tokens. 5000 are left in this chat, 16 of them for an answer.",
        retry=False,
        details={"tokens": 6_200, "left": 5_000},
    ),
    wire.NearFrame(1, 412, 80, _usage(40_006)),
    wire.LimitFrame(1, 9_120, _usage(49_990)),
    wire.SnapFrame(1, 9, ANSWER, TEXT),
    wire.Drain(25_000),
    WhoFrame("user", 1, "mara_k"),
)
"""Examples of the frames that the conversation does not have."""
