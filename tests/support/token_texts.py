"""Texts of an exact number of tokens, short enough for one message."""

from typing import Final

from server.llm.tokens import count

HEAVY: Final = "𓀀"
"""A character of four tokens, whatever stands beside it."""
LIGHT: Final = " of"
"""A word of one token, whatever stands beside it."""


def text_of(tokens: int, ending: str) -> str:
    """A text of that many tokens that ends so."""
    left_tokens = tokens - count(" " + ending)
    text = f"{HEAVY * (left_tokens // 4)}{LIGHT * (left_tokens % 4)} {ending}"
    assert count(text) == tokens
    return text
