"""Close codes (`docs/protocol.md`): after 4000 to 4499 a client comes back, after 4500 to 4999 it does not."""

from enum import IntEnum
from typing import Self


class CloseCode(IntEnum):
    """Why the server ends a connection.

    Attributes:
        meaning: what happened and what the client does next, for the AsyncAPI document.
    """

    meaning: str

    def __new__(cls, code: int, meaning: str = "") -> Self:
        """A member is its number; `CloseCode(number)` finds it."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    # The first two: RFC 6455, section 7.4.1.
    UNSUPPORTED_DATA = 1003, "A binary frame: frames are JSON text. Stop, and mend the client."
    TOO_BIG = 1009, "A frame above `ready.limits.cmd` bytes. Stop, and mend the client."
    INTERNAL = 4000, "Our fault. Come back and resume."
    DRAINING = 4001, "The process ends. Come back after a random time of up to `ready.rj` milliseconds."
    SLOW_CONSUMER = 4002, "Too much waited for too long to be read. Come back and resume."
    IDENTITY_CHANGED = 4004, "Who this is has changed: the session has ended, or the API key was revoked. Come back."
    BAD_TICKET = 4005, "The ticket was used before, is over, or never was. Get a new one and come back."
    RATE_LIMITED = 4006, "Too many commands in a row that were refused `rate_limited`. Come back, slower."
    OVERLOADED = 4007, "Too much is going on here. Come back later."
    NO_HELLO = 4008, "No `hello` came within 5 seconds. Come back."
    THIRD_STRIKE = 4500, "The third frame that was no command. Stop, and mend the client."
    NO_IDENTITY = 4501, "Nobody that is known: no live session, no ticket, or an Origin that is not theirs. Stop."
    SECOND_HELLO = 4504, "A second `hello` on one socket. Stop, and mend the client."
    TOO_MANY_SOCKETS = 4505, "Too many sockets of one identity, of which the oldest goes, or of one address. Stop."

    @property
    def comes_back(self) -> bool:
        """Whether a client connects again."""
        return 4000 <= self < 4500
