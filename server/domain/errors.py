"""One error type for every refusal that a caller may see.

The codes are those of the websocket protocol (`docs/protocol.md`, *Error codes*); REST answers carry the same ones in
their RFC 9457 problem documents. Floors 4 and 6 translate a code to a frame, a status or an exit code; nothing below
knows about any of these.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self


class Code(StrEnum):
    """Why a request was refused, in the spelling of the wire.

    Attributes:
        meaning: when it comes, for the documents of both interfaces.
    """

    _value_: str
    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """A member is its word; `Code(word)` finds it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    BAD_REQUEST = "bad_request", "What was sent is not right: its form, or a value."
    TOO_LARGE = "too_large", "Too long: a body, a text, or a text for the model's window."
    UNAUTHORIZED = "unauthorized", "Nobody that is known."
    FORBIDDEN = "forbidden", "Known, and not allowed to."
    NOT_FOUND = "not_found", "Absent or not yours: the two look the same."
    NO_CREDIT = "no_credit", "The channel has no credit left; nothing was charged."
    CHANNEL_PENDING = "channel_pending", "The channel is not on air yet: its activation goal is not reached."
    CHANNEL_INACTIVE = "channel_inactive", "The channel was taken off air: its chats can be read, not continued."
    BUSY = (
        "busy",
        "An answer is running, in this chat or in another one of this visitor; or the same request is carried out now.",
    )
    LIMIT_REACHED = "limit_reached", "The chat is full; it stays readable."
    CLOSED = "closed", "The chat has ended; it stays readable."
    TOO_LONG_FOR_REMAINING = "too_long_for_remaining", "The message leaves too few tokens of the chat for an answer."
    RATE_LIMITED = "rate_limited", "Too many requests in a short time, or too much on one socket."
    QUOTA_EXCEEDED = "quota_exceeded", "This visitor's chats of the day are used up."
    OVERLOADED = "overloaded", "Too much is going on here; nothing was begun."
    PROVIDER_ERROR = "provider_error", "The model's provider failed."
    UNAVAILABLE = "unavailable", "A part of the service cannot be reached, or this server is stopping."
    CONFLICT = "conflict", "The id or name was used for something else."
    INTERNAL = "internal", "Something broke on our side."


TEMPORARY = frozenset({Code.BUSY, Code.RATE_LIMITED, Code.OVERLOADED, Code.PROVIDER_ERROR, Code.UNAVAILABLE})
"""Codes after which the same request, with the same id, may be sent again."""

OUR_FAULT = frozenset({Code.OVERLOADED, Code.PROVIDER_ERROR, Code.UNAVAILABLE, Code.INTERNAL})
"""Codes that say that the server, not the caller, is to blame: these are logged as errors."""


class Refusal(Exception):
    """A request that was understood and not carried out; nothing was changed by it.

    Attributes:
        code: the reason, for programs.
        message: the reason, for people: one sentence without secrets or text of chats.
        temporary: whether the same request may be repeated.
        after_seconds: when to try again; None means the caller need not wait or it is not known.
        details: figures that the message speaks of, such as ``{"tokens": 6200, "left": 5000}``.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        after_seconds: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.temporary = code in TEMPORARY
        self.after_seconds = after_seconds
        self.details = dict(details or {})

    @property
    def our_fault(self) -> bool:
        """Whether the server is to blame."""
        return self.code in OUR_FAULT

    def __repr__(self) -> str:
        return f"Refusal({self.code.value}: {self.message})"
