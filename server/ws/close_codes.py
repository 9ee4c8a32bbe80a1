"""Close codes (`docs/protocol.md`): after 4000 to 4499 a client comes back, after 4500 to 4999 it does not."""

from enum import IntEnum


class CloseCode(IntEnum):
    """Why the server ends a connection."""

    UNSUPPORTED_DATA = 1003  # RFC 6455, section 7.4.1
    TOO_BIG = 1009
    INTERNAL = 4000
    DRAINING = 4001
    SLOW_CONSUMER = 4002
    BAD_TICKET = 4005
    OVERLOADED = 4007
    NO_HELLO = 4008
    THIRD_STRIKE = 4500
    NO_IDENTITY = 4501
    SECOND_HELLO = 4504
    TOO_MANY_SOCKETS = 4505
