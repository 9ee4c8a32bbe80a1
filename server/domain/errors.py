"""One error type for every refusal that a caller may see.

The codes are those of the websocket protocol (`docs/protocol.md`, *Error codes*); REST answers carry the same ones in
their RFC 9457 problem documents. Floors 4 and 6 translate a code to a frame, a status or an exit code; nothing below
knows about any of these.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """Why a request was refused, in the spelling of the wire."""

    BAD_REQUEST = "bad_request"
    TOO_LARGE = "too_large"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    NO_CREDIT = "no_credit"
    CHANNEL_PENDING = "channel_pending"
    CHANNEL_INACTIVE = "channel_inactive"
    BUSY = "busy"
    LIMIT_REACHED = "limit_reached"
    CLOSED = "closed"
    TOO_LONG_FOR_REMAINING = "too_long_for_remaining"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXCEEDED = "quota_exceeded"
    OVERLOADED = "overloaded"
    PROVIDER_ERROR = "provider_error"
    UNAVAILABLE = "unavailable"
    CONFLICT = "conflict"
    INTERNAL = "internal"


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
