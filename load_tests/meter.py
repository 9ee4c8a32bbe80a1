"""What counting costs: the meter of one answer after the other, in this process, without a network."""

import time
from typing import Final

from server.llm.growing_text import GrowingText
from server.llm.model import PromptMessage
from server.llm.script import Pace, plan
from server.llm.tokens import encoding

TOKENS: Final = 2_000
"""Of each answer."""
ANSWERS: Final = 50
SHOWN_EVERY_TOKENS: Final = 30
"""How often the figures are shown while an answer runs: once a second."""


def microseconds_per_token() -> float:
    """CPU microseconds that a token of usual text costs the meter: every piece added, shown once a second, and counted
    exactly at the end."""
    encoding()
    script = plan([PromptMessage("user", f"[[tokens={TOKENS}]] the sea")], TOKENS, Pace())
    began = time.process_time()
    for _ in range(ANSWERS):
        growing = GrowingText()
        for number, text in enumerate(script.chunks):
            growing.add(text, len(text) if text.isascii() else len(text.encode()))
            if number % SHOWN_EVERY_TOKENS == 0:
                growing.estimate_tokens()
        growing.exact_tokens()
    return (time.process_time() - began) / (ANSWERS * len(script.chunks)) * 1_000_000
