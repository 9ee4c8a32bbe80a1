"""What a run has measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from load_tests.machine import Load

PERCENTS: Final = (0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.99, 100.0)


@dataclass(frozen=True, slots=True)
class Delays:
    """How some delays are spread.

    Attributes:
        count: of delays.
        at_ms: the delay, in milliseconds, that this percentage of them does not exceed.
    """

    count: int
    at_ms: Mapping[float, float]

    @classmethod
    def of_us(cls, delays_us: Sequence[int]) -> "Delays":
        """The spread of these, each in microseconds."""
        ordered = sorted(delays_us)
        if not ordered:
            return cls(0, {})
        last = len(ordered) - 1
        return cls(len(ordered), {percent: ordered[round(last * percent / 100)] / 1_000 for percent in PERCENTS})


@dataclass(frozen=True, slots=True)
class Run:
    """One phase with one server.

    Attributes:
        scenario: what was done.
        server: to which server.
        round: which of the repeated runs, from 1.
        size: answering or idle fans, or first messages.
        load: of the machine meanwhile.
        delays: of tokens, or of first tokens beyond what the model waited.
        figures: more figures by their name, which ends in the unit.
        faults: what the fans found wrong; there should be none.
    """

    scenario: str
    server: str
    round: int
    size: int
    load: Load
    delays: Delays
    figures: Mapping[str, float] = field(default_factory=dict)
    faults: Sequence[str] = ()
