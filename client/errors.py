"""What can go wrong for a client: a request is refused, or a connection ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from client.frames import Frame

ABNORMAL: Final = 1006
"""The close code of a connection that ended without one (RFC 6455, section 7.1.5)."""


@dataclass(frozen=True, slots=True)
class End:
    """How a connection ended.

    Attributes:
        code: the close code; 1006: the connection broke, or there never was one.
        reason: for people.
        status: of the HTTP answer that refused the handshake; None when no such answer came.
        after_seconds: what the server asks to wait at least.
    """

    code: int
    reason: str = ""
    status: int | None = None
    after_seconds: float = 0.0


class Ended(Exception):
    """A connection ended while an answer was awaited, or for good."""

    def __init__(self, end: End) -> None:
        super().__init__(end.reason or f"the connection ended with code {end.code}")
        self.end = end


@dataclass(eq=False)
class Refused(Exception):
    """The server understood and did not do it.

    Attributes:
        code: of the protocol, such as ``no_credit``.
        message: the reason, for people.
        may_retry: whether the same request, with the same `idem`, may be made again.
        after_seconds: not before; None: it is not known, or there is no need to wait.
        details: figures that the message speaks of.
    """

    code: str
    message: str
    may_retry: bool = False
    after_seconds: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    @classmethod
    def by(cls, err: Frame) -> Self:
        """What an `err` frame says."""
        return cls(err["code"], err["msg"], err["retry"], err.get("after"), err.get("details", {}))
