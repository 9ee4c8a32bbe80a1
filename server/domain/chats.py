"""The life of a chat, as tables: the only place that says which state follows which.

A chat has two states. `ChatState` says what it will take next, `CreditState` what became of its one credit. Storage
keeps the same spellings, the socket uses them in lower case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from server.domain.errors import Code, Refusal


class ChatState(StrEnum):
    """What a chat will take next."""

    OPEN = "OPEN"
    ANSWERING = "ANSWERING"
    FULL = "FULL"
    CLOSED = "CLOSED"


class CreditState(StrEnum):
    """What became of the chat's one credit. SPENT means that a first token has left."""

    NONE = "NONE"
    CHARGED = "CHARGED"
    SPENT = "SPENT"
    REFUNDED = "REFUNDED"


class MessageType(StrEnum):
    """Who wrote a message."""

    USER = "USER"
    AI = "AI"


class MessageStatus(StrEnum):
    """How an answer stands, or how it ended; a user's message is always DONE."""

    STREAMING = "STREAMING"
    DONE = "DONE"
    STOPPED = "STOPPED"
    CUT = "CUT"
    INTERRUPTED = "INTERRUPTED"
    FAILED = "FAILED"


class EndReason(StrEnum):
    """Why an answer ended: `done.why` on the wire."""

    STOP = "stop"
    LENGTH = "length"
    CAP = "cap"
    USER_STOP = "user_stop"
    FILTER = "filter"
    INTERRUPTED = "interrupted"
    ERROR = "error"


class ChatEvent(StrEnum):
    """What can happen to a chat."""

    SEND = "send"
    ANSWERED = "answered"
    FILLED = "filled"
    REFUNDED = "refunded"
    CLOSE = "close"


class CreditEvent(StrEnum):
    """What can happen to the credit of a chat."""

    CHARGE = "charge"
    FIRST_TOKEN = "first_token"  # noqa: S105 - a token of text, no secret
    REFUND = "refund"


CHAT_TRANSITIONS: Final[Mapping[tuple[ChatState, ChatEvent], ChatState]] = {
    (ChatState.OPEN, ChatEvent.SEND): ChatState.ANSWERING,
    (ChatState.ANSWERING, ChatEvent.ANSWERED): ChatState.OPEN,
    (ChatState.ANSWERING, ChatEvent.FILLED): ChatState.FULL,
    (ChatState.ANSWERING, ChatEvent.REFUNDED): ChatState.CLOSED,
    (ChatState.OPEN, ChatEvent.CLOSE): ChatState.CLOSED,
    (ChatState.FULL, ChatEvent.CLOSE): ChatState.CLOSED,
    (ChatState.CLOSED, ChatEvent.CLOSE): ChatState.CLOSED,
}

CREDIT_TRANSITIONS: Final[Mapping[tuple[CreditState, CreditEvent], CreditState]] = {
    (CreditState.NONE, CreditEvent.CHARGE): CreditState.CHARGED,
    (CreditState.CHARGED, CreditEvent.FIRST_TOKEN): CreditState.SPENT,
    (CreditState.CHARGED, CreditEvent.REFUND): CreditState.REFUNDED,
}

STATUS_OF_END: Final[Mapping[EndReason, MessageStatus]] = {
    EndReason.STOP: MessageStatus.DONE,
    EndReason.LENGTH: MessageStatus.DONE,
    EndReason.CAP: MessageStatus.CUT,
    EndReason.USER_STOP: MessageStatus.STOPPED,
    EndReason.FILTER: MessageStatus.FAILED,
    EndReason.INTERRUPTED: MessageStatus.INTERRUPTED,
    EndReason.ERROR: MessageStatus.FAILED,
}

_REFUSALS_OF_SEND: Final[Mapping[ChatState, tuple[Code, str]]] = {
    ChatState.ANSWERING: (Code.BUSY, "An answer is running in this chat."),
    ChatState.FULL: (Code.LIMIT_REACHED, "This chat is full; it stays readable."),
    ChatState.CLOSED: (Code.CLOSED, "This chat has ended; it stays readable."),
}


class ForbiddenTransition(Exception):
    """A transition that the tables do not have: a mistake of ours, never a caller's."""

    def __init__(self, state: StrEnum, event: StrEnum) -> None:
        super().__init__(f"{type(state).__name__} {state.value} does not know {event.value}")
        self.state = state
        self.event = event


def next_chat_state(state: ChatState, event: ChatEvent) -> ChatState:
    """Return the state that follows; raise ForbiddenTransition when the table has none."""
    try:
        return CHAT_TRANSITIONS[state, event]
    except KeyError:
        raise ForbiddenTransition(state, event) from None


def next_credit_state(state: CreditState, event: CreditEvent) -> CreditState:
    """Return the credit state that follows; raise ForbiddenTransition when the table has none."""
    try:
        return CREDIT_TRANSITIONS[state, event]
    except KeyError:
        raise ForbiddenTransition(state, event) from None


def refuse_send(state: ChatState) -> Refusal | None:
    """Return why a chat in this state takes no message; None means that it does."""
    if (state, ChatEvent.SEND) in CHAT_TRANSITIONS:
        return None
    code, message = _REFUSALS_OF_SEND[state]
    return Refusal(code, message)


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end of an answer does to its message, its chat and its credit.

    Attributes:
        why: the reason that followers are told; an empty answer that was to end well ends `error`.
        refunds: whether the credit goes back, which also closes the chat.
    """

    why: EndReason
    message_status: MessageStatus
    chat_state: ChatState
    credit_state: CreditState
    refunds: bool


def end_answer(why: EndReason, credit_state: CreditState, *, has_text: bool, is_full: bool) -> Ending:
    """Decide how an answer ends (checklist lines 26, 31 and 38).

    A chat that is still CHARGED has let no token out: its credit goes back and it ends, whatever the reason was.
    """
    if not has_text and why in {EndReason.STOP, EndReason.LENGTH, EndReason.CAP}:
        why = EndReason.ERROR
    refunds = credit_state is CreditState.CHARGED
    if refunds:
        event, credit_state = ChatEvent.REFUNDED, next_credit_state(credit_state, CreditEvent.REFUND)
    else:
        event = ChatEvent.FILLED if is_full else ChatEvent.ANSWERED
    return Ending(why, STATUS_OF_END[why], next_chat_state(ChatState.ANSWERING, event), credit_state, refunds)
