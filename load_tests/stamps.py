"""When a token left the model: written in the place of the token, read where it arrives.

A stamp is two usual words, each of them one token: a number in base 4,096, in units of 10 µs of CLOCK_MONOTONIC, which
all processes of a machine share. So the meter counts a text like any other, of two tokens where a model
sends one.
"""

import re
import time
from functools import cache
from typing import Final

from server.llm.tokens import encoding

BASE: Final = 4_096
UNIT_US: Final = 10
WRAP_US: Final = BASE * BASE * UNIT_US
"""The counter begins anew after 168 seconds: no token is that late."""

_WORD: Final = re.compile(rb" [a-z]{3,7}")


@cache
def _words() -> list[str]:
    """The digits: the words of the vocabulary that are used most, with the space before them."""
    words: list[str] = []
    for token in range(encoding().n_vocab):
        if _WORD.fullmatch(encoding().decode_single_token_bytes(token)):
            words.append(encoding().decode([token]))
            if len(words) == BASE:
                break
    return words


@cache
def _digits() -> dict[str, int]:
    return {word.strip(): digit for digit, word in enumerate(_words())}


def now_us() -> int:
    """The clock of the stamps, in microseconds."""
    return time.monotonic_ns() // 1_000


def stamp_of(at_us: int) -> str:
    """What says that moment."""
    high, low = divmod(at_us % WRAP_US // UNIT_US, BASE)
    return _words()[high] + _words()[low]


def stamped(_token: str) -> str:
    """The present moment, in the place of a token."""
    return stamp_of(now_us())


def delays_us(text: str, received_us: int) -> list[int]:
    """For each stamp in a text that was received then: how long ago it was written, in microseconds, to 10 µs."""
    digits, words = _digits(), text.split()
    stamps = ((digits[high] * BASE + digits[low]) * UNIT_US for high, low in zip(words[::2], words[1::2], strict=True))
    return [(received_us - stamp) % WRAP_US for stamp in stamps]
