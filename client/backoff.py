"""When to come back after a connection was lost (client rules 2 and 4). Pure: the random number comes in."""

from dataclasses import dataclass
from typing import Final

from client.errors import End

REJOIN_MS: Final = 3_000
"""Stands for `ready.rj` until a server has said it."""
FLOOR_SECONDS: Final = 0.5
LIMIT_SECONDS: Final = 20.0

_DRAINING: Final = 4001
_STOP: Final = frozenset({1000, 1003, 1007, 1009})
_PASSING_STATUS: Final = frozenset({408, 425, 429})


def comes_back(end: End) -> bool:
    """Whether a client connects again after this end.

    Not after 1000, 1003, 1007, 1009 and 4500 to 4999. An HTTP refusal that says that the request is wrong (4xx but for
    408, 425 and 429) stays what it is, too; 5xx passes.
    """
    if end.status is not None:
        return end.status >= 500 or end.status in _PASSING_STATUS
    return end.code not in _STOP and not 4500 <= end.code <= 4999


@dataclass(slots=True)
class Backoff:
    """Counts losses in a row.

    Attributes:
        rejoin_ms: what `ready.rj` said last, in milliseconds.
        losses: connections lost since everything worked.
    """

    rejoin_ms: int = REJOIN_MS
    losses: int = 0

    def delay_seconds(self, end: End, draw: float) -> float:
        """Count a loss, and say how long to wait before the next try.

        The first wait spreads all clients of a lost server over `rejoin_ms`; so does every wait after "draining".

        Args:
            end: how the connection ended.
            draw: a random number, at least 0 and below 1.
        """
        is_first = self.losses == 0 or end.code == _DRAINING
        growth = FLOOR_SECONDS * 2.0 ** min(self.losses, 16)
        self.losses += 1
        delay = self.rejoin_ms / 1000 * draw if is_first else min(LIMIT_SECONDS, FLOOR_SECONDS + growth * draw)
        return max(delay, end.after_seconds)

    def settle(self) -> None:
        """All is as it was before the loss: `opened` has come (or what a client without a chat waits for)."""
        self.losses = 0
