"""What stands for a user in the place of a photograph: made of their name, so that nothing is loaded from anywhere."""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

PATTERN_CELLS: Final = 5
"""Cells on each side of a pattern."""


class Picture(StrEnum):
    """What a user shows; the spelling in rows and over REST."""

    INITIALS = "INITIALS"
    PATTERN = "PATTERN"


def initials_of(name: str) -> str:
    """One or two letters."""
    words = name.replace("_", " ").replace("-", " ").split()
    return "".join(word[0] for word in words[:2]).upper()


def pattern_of(username: str) -> Sequence[tuple[int, int]]:
    """The filled cells of a user's pattern: (column, row) from the top left, the same on both sides of the middle.

    The same for one username in any case. The middle cell is always filled, so no pattern is empty.
    """
    bits = int.from_bytes(hashlib.sha256(username.lower().encode()).digest()[:2])
    half = (PATTERN_CELLS + 1) // 2
    middle = (half - 1, half - 1)
    cells = list[tuple[int, int]]()
    for row in range(PATTERN_CELLS):
        for column in range(PATTERN_CELLS):
            place = row * half + min(column, PATTERN_CELLS - 1 - column)
            if bits >> place & 1 or (column, row) == middle:
                cells.append((column, row))
    return cells
