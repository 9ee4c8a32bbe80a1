"""Events as frames: encoded once for all sockets, everything but the alias `k` of the chat."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from server.domain.chats import ChatState, CreditState
from server.domain.events import (
    AnswerDone,
    AnswerStarted,
    ChannelEvent,
    ChatClosed,
    CreditChanged,
    Delta,
    EncodedEvent,
    LimitReached,
    NearLimit,
    SequencedEvent,
    Usage,
    UserSaid,
)
from server.ws.protocol import (
    Author,
    ChannelFrame,
    ClosedFrame,
    CreditFrame,
    DoneFrame,
    LimitFrame,
    NearFrame,
    StartFrame,
    UsageFigures,
    UserFrame,
    encode,
    json_of,
)


def usage_figures(usage: Usage) -> UsageFigures:
    """The meter as it goes over the wire."""
    return UsageFigures(usage.used, usage.cap, usage.left)


def wire_state(state: ChatState | CreditState) -> str:
    """States are lower case on the socket."""
    return state.value.lower()


def encode_event(event: SequencedEvent, s: int, n: int) -> EncodedEvent:
    """Encode a numbered event once for all followers."""
    if isinstance(event, Delta):
        body = delta_body(s, json_of(event.text), n)
        return EncodedEvent(event, "d", s, n, body, len(body) if body.isascii() else len(body.encode()))
    kind, make = _FRAMES[type(event)]
    frame = make(event, s)
    body = _body(kind, frame)
    own_body = None
    if isinstance(frame, UserFrame):
        frame.who.me = True
        own_body = _body(kind, frame)
    return EncodedEvent(event, kind, s, n, body, len(body.encode()), own_body)


def delta_body(s: int, text_json: str, n: int) -> str:
    """The hot one, written by hand: the same as `DeltaFrame` behind its alias."""
    return f'"s":{s},"x":{text_json}}}' if n == 1 else f'"s":{s},"x":{text_json},"n":{n}}}'


def encode_channel_event(event: ChannelEvent) -> str:
    """Write a channel's figures."""
    if isinstance(event, CreditChanged):
        return encode(CreditFrame(event.channel, event.balance, event.why.value))
    return encode(
        ChannelFrame(
            event.channel,
            event.status,
            event.activation_funding_cents,
            event.activation_goal_cents,
            event.credit_balance,
        )
    )


def _body(kind: str, frame: Struct) -> str:
    return encode(frame).removeprefix(f'{{"t":"{kind}","k":0,')


def _user(event: UserSaid, s: int) -> Struct:
    author = Author(event.author_ref, event.author_name)
    return UserFrame(0, s, str(event.id), event.text, author, event.tokens, _optional(event.parent_id))


def _done(event: AnswerDone, s: int) -> Struct:
    return DoneFrame(0, s, str(event.id), event.why.value, usage_figures(event.usage), event.length, event.sha)


_FRAMES: Final[Mapping[type[SequencedEvent], tuple[str, Callable[[Any, int], Struct]]]] = {
    UserSaid: ("user", _user),
    AnswerStarted: ("start", lambda event, s: StartFrame(0, s, str(event.id), str(event.to), event.model)),
    NearLimit: ("near", lambda event, s: NearFrame(0, s, event.percent, usage_figures(event.usage))),
    LimitReached: ("limit", lambda event, s: LimitFrame(0, s, usage_figures(event.usage))),
    AnswerDone: ("done", _done),
    ChatClosed: ("closed", lambda event, s: ClosedFrame(0, s, event.why.value)),
}


def _optional(value: UUID | None) -> str | None:
    return None if value is None else str(value)
