"""What the scripted model does: the plan of one answer, read off the prompt.

A directive in the newest message of the user, such as `[[tokens=300 rate=50 delay_ms=100 fail_at=20]]`, decides:

- `tokens`: how many tokens the answer has, each a chunk of its own. Without it the answer is as long as it needs.
- `rate`: tokens a second; 0 is as fast as it goes.
- `delay_ms`: milliseconds before the first token.
- `fail_at`: the model fails before this token, the first being 1.
- `break`: how it fails, or something else that goes wrong, see `Breakage`.

What is not understood is text like any other.
"""

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from server.llm.model import Finish, PromptMessage, ProviderUsage
from server.llm.scripted_text import long_text, standard_text
from server.llm.tokens import count, encoding

MAX_TOKENS = 100_000
MAX_RATE = 1_000_000
MAX_DELAY_MS = 600_000
"""A directive that asks for more gets this."""

BREAK_AFTER_TOKENS = 5
"""Where an answer breaks that has begun: after this many tokens."""

_DIRECTIVE = re.compile(r"\[\[([^\[\]]*)\]\]")
_CHARACTERS_PER_TOKEN = 8


class Breakage(StrEnum):
    """What may go wrong on purpose.

    The first three refuse the request. ERROR sends an error in the stream, CUT closes the connection, GARBAGE sends a
    line that is no JSON, STALL goes silent: before the token `fail_at`, else after `BREAK_AFTER_TOKENS`. EMPTY ends
    without a token, FILTER as a provider does that withholds the rest; NUL and SURROGATES send characters that need
    cleaning.
    """

    UNAUTHORIZED = "401"
    RATE_LIMITED = "429"
    FAILING = "500"
    ERROR = "error"
    CUT = "cut"
    GARBAGE = "garbage"
    STALL = "stall"
    EMPTY = "empty"
    FILTER = "filter"
    NUL = "nul"
    SURROGATES = "surrogates"


REFUSALS = {Breakage.UNAUTHORIZED: 401, Breakage.RATE_LIMITED: 429, Breakage.FAILING: 500}
"""The breakages that refuse the request, with their HTTP status."""

_IN_STREAM = frozenset({Breakage.ERROR, Breakage.CUT, Breakage.GARBAGE, Breakage.STALL})

RETRY_AFTER_SECONDS = 7
"""What a refusal with 429 asks for."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the model is where no directive says otherwise.

    Attributes:
        tokens_per_second: 0 is as fast as it goes.
        delay_ms: before the first token, in milliseconds.
    """

    tokens_per_second: float = 40.0
    delay_ms: float = 150.0


@dataclass(frozen=True, slots=True)
class Script:
    """The plan of one answer.

    Attributes:
        chunks: one a token, none empty; may hold U+0000 and halves of surrogate pairs.
        finish: what the model says at the end.
        breakage: what goes wrong; None is nothing.
        breaks_at: the index, from 0, of the chunk in whose place a breakage of the stream comes; None is never.
        usage: what a provider would have counted.
    """

    chunks: tuple[str, ...]
    finish: Finish
    pace: Pace
    breakage: Breakage | None
    breaks_at: int | None
    usage: ProviderUsage

    def at_seconds(self, index: int) -> float:
        """When the chunk with this index, from 0, is due after the request; the end comes with the last chunk."""
        rate = self.pace.tokens_per_second
        index = min(index, max(0, len(self.chunks) - 1))
        return self.pace.delay_ms / 1_000 + (index / rate if rate else 0.0)


def plan(messages: Sequence[PromptMessage], max_output_tokens: int, pace: Pace) -> Script:
    """The script for these messages: the same for the same messages."""
    prompt = next((message.content for message in reversed(messages) if message.role == "user"), "")
    wishes = _wishes(prompt)
    chunks = _chunks(prompt, wishes.get("tokens"))
    breakage = _breakage(wishes)
    if breakage is Breakage.EMPTY:
        chunks = []
    elif breakage is Breakage.NUL:
        chunks[1:1] = ["\0", "a\0b"]
    elif breakage is Breakage.SURROGATES:
        chunks[1:1] = ["\ud83d", "\ude00", " alone: \ud83d", "\ude00\ude00"]
    kept = tuple(chunks[:max_output_tokens])
    finish: Finish = "length" if len(kept) < len(chunks) else "stop"
    return Script(
        chunks=kept,
        finish="filter" if breakage is Breakage.FILTER else finish,
        pace=Pace(
            _number(wishes.get("rate"), pace.tokens_per_second, MAX_RATE),
            _number(wishes.get("delay_ms"), pace.delay_ms, MAX_DELAY_MS),
        ),
        breakage=breakage,
        breaks_at=_breaks_at(wishes, len(kept)) if breakage in _IN_STREAM else None,
        usage=ProviderUsage(sum(count(message.content) for message in messages), len(kept)),
    )


def _wishes(prompt: str) -> dict[str, str]:
    pairs = (pair.partition("=") for body in _DIRECTIVE.findall(prompt) for pair in body.split())
    return {key: value for key, _, value in pairs}


def _number(text: str | None, default: float, most: float) -> float:
    try:
        return default if text is None else min(max(0.0, float(text)), most)
    except ValueError:
        return default


def _breakage(wishes: Mapping[str, str]) -> Breakage | None:
    name = wishes.get("break", Breakage.ERROR.value if "fail_at" in wishes else "")
    return next((breakage for breakage in Breakage if breakage.value == name), None)


def _breaks_at(wishes: Mapping[str, str], chunks: int) -> int:
    if "fail_at" in wishes:
        return int(_number(wishes["fail_at"], 1, MAX_TOKENS)) - 1
    return min(BREAK_AFTER_TOKENS, chunks)


def _chunks(prompt: str, tokens: str | None) -> list[str]:
    """The text in chunks of one token; a character that needs several tokens comes with the last of them."""
    wanted = int(_number(tokens, -1, MAX_TOKENS))
    text = standard_text(prompt) if wanted < 0 else long_text(prompt, wanted * _CHARACTERS_PER_TOKEN)
    ids = encoding().encode_ordinary(text)
    decoder = codecs.getincrementaldecoder("utf-8")()
    kept = ids if wanted < 0 else ids[:wanted]
    chunks = (decoder.decode(encoding().decode_single_token_bytes(token_id)) for token_id in kept)
    return [chunk for chunk in chunks if chunk]
