"""When a token left the model: written into the token itself, read where it arrives.

A stamp is `#` and twelve digits: microseconds of CLOCK_MONOTONIC, which all processes of a machine share. The letters
of the script stay in front of it, so that the meter works on text like any other.
"""

import re
import time
from typing import Final

DIGITS: Final = 12
WRAP_US: Final = 10**DIGITS
"""The counter begins anew after eleven days."""

_STAMP: Final = re.compile(rf"#(\d{{{DIGITS}}})")


def now_us() -> int:
    """The clock of the stamps, in microseconds."""
    return time.monotonic_ns() // 1_000


def stamped(token: str) -> str:
    """The token with the present moment behind it."""
    return f"{token}#{now_us() % WRAP_US:0{DIGITS}d}"


def delays_us(text: str, received_us: int) -> list[int]:
    """For each stamp in a text that was received then: how long ago it was written, in microseconds."""
    return [(received_us - int(stamp)) % WRAP_US for stamp in _STAMP.findall(text)]
