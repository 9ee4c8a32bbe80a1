"""What a sender is told of a message: once, and before its `user` event is published."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from server.domain.errors import Refusal


@dataclass(frozen=True, slots=True)
class Accepted:
    """The message is stored.

    Attributes:
        s: number of its `user` event; None when that epoch is over.
    """

    message_id: UUID
    s: int | None
    is_repeat: bool


Reply = Callable[[Accepted | Refusal], None]
"""Called exactly once for each message, before its `user` event is published."""


class Once:
    """A reply that is given once; later ones are dropped, for the sender knows already.

    Attributes:
        until_seconds: the loop's time at which the sender is told that the outcome is in doubt.
    """

    def __init__(self, reply: Reply, until_seconds: float) -> None:
        self.until_seconds = until_seconds
        self._reply: Reply | None = reply

    @property
    def is_given(self) -> bool:
        """Whether the sender has heard."""
        return self._reply is None

    def __call__(self, outcome: Accepted | Refusal) -> None:
        """Give the reply, unless one was given."""
        reply, self._reply = self._reply, None
        if reply is not None:
            reply(outcome)
