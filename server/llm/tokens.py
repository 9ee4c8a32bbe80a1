"""Tokens of a text: the length of its whole encoding with o200k_base, counted here, without the network.

Encoding takes about 0.1 ms for each thousand code points, 0.2 to 0.5 ms for hostile ones (one letter repeated, no
spaces), and grows linearly: 20 ms for 100,000 equal letters. Short texts are counted at once, long ones in a thread, so
that no encode holds the event loop for longer than a millisecond or so.
"""

import asyncio
import gzip
import hashlib
from binascii import a2b_base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

import tiktoken

from server.llm.boundaries import last_boundary

T = TypeVar("T")

VOCABULARY = Path(__file__).with_name("vocabulary") / "o200k_base.tiktoken.gz"
VOCABULARY_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
"""Of the unpacked file."""

INLINE_CHARACTERS = 2_000
"""Longer texts are encoded in a thread. A text of this length takes at most about a millisecond."""

ENCODER_THREADS = 2
"""Threads for long texts; more callers than this wait in line. The encoder releases the interpreter while it works."""

LONGEST_TOKEN_CHARACTERS = 128
"""No token of the vocabulary is longer. How far beyond the first cut a longer prefix is looked for."""

SCANNED_CHARACTERS = 1_000
"""Up to this many code points after the last safe place, a cut is looked for length by length; beyond, by bisection. A
scan takes at most about 0.1 s in its thread."""

_LETTERS = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_SMALL_LETTERS = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_PATTERN = "|".join(
    (
        rf"[^\r\n\p{{L}}\p{{N}}]?{_LETTERS}*{_SMALL_LETTERS}+{_CONTRACTION}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{_LETTERS}+{_SMALL_LETTERS}*{_CONTRACTION}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
_SPECIAL_TOKENS = {"<|endoftext|>": 199_999, "<|endofprompt|>": 200_018}

_encoders = ThreadPoolExecutor(ENCODER_THREADS, thread_name_prefix="encode")


@cache
def encoding() -> tiktoken.Encoding:
    """The encoding, loaded on first use (about 0.4 s: ask for it once at the start).

    Raises:
        RuntimeError: the vocabulary beside this module is not the one that is expected.
    """
    unpacked = gzip.decompress(VOCABULARY.read_bytes())
    if hashlib.sha256(unpacked).hexdigest() != VOCABULARY_SHA256:
        raise RuntimeError(f"{VOCABULARY} is damaged: its content has another SHA-256 than expected. Install it again.")
    ranks: dict[bytes, int] = {}
    for line in unpacked.splitlines():
        token, _, rank = line.partition(b" ")
        ranks[a2b_base64(token)] = int(rank)
    return tiktoken.Encoding(
        "o200k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens=_SPECIAL_TOKENS, explicit_n_vocab=None
    )


def count(text: str) -> int:
    """Tokens of the text. Markers such as ``<|endoftext|>`` are plain text. For long texts see `count_off_loop`."""
    return len(encoding().encode_ordinary(text))


async def count_off_loop(text: str) -> int:
    """Tokens of the text, counted in a thread when it is long."""
    return count(text) if len(text) <= INLINE_CHARACTERS else await in_encoder_thread(lambda: count(text))


async def in_encoder_thread(work: Callable[[], T]) -> T:
    """What the work returns or raises, done in one of a few threads kept for encoding."""
    return await asyncio.get_running_loop().run_in_executor(_encoders, work)


def longest_prefix_within(text: str, budget_tokens: int, not_shorter_than: int = 0) -> int:
    """The length in code points of a prefix whose whole encoding has at most `budget_tokens` tokens; the longest one,
    but for text made to defeat that.

    The count is not monotone in the length of a prefix: one more letter may join three tokens into one. Looked at are
    the lengths from where the budget ends in the encoding of the whole text to one longest token beyond: all of them,
    the longest first, where what has to be encoded for each is short. Otherwise (thousands of letters without a safe
    place to cut) they are bisected: the text is encoded a dozen times, and the result may fall a few tokens short.

    Args:
        text: the text to be cut.
        budget_tokens: 0 or more.
        not_shorter_than: a length that is never undercut, as this much was sent already. The caller knows that it fits.
    """
    ids = encoding().encode_ordinary(text)
    if len(ids) <= budget_tokens:
        return len(text)
    reached = len(encoding().decode_bytes(ids[:budget_tokens]).decode(errors="ignore"))
    base = last_boundary(text, max(0, min(reached, len(text)) - LONGEST_TOKEN_CHARACTERS))
    left_tokens = budget_tokens - count(text[:base])

    def fits(length: int) -> bool:
        return length <= max(base, not_shorter_than) or count(text[base:length]) <= left_tokens

    kept, step = max(reached, not_shorter_than), 1
    while not fits(kept):
        kept, step = max(reached - step, not_shorter_than), step * 2
    too_long = min(reached + LONGEST_TOKEN_CHARACTERS + 1, len(text))
    if too_long - base <= SCANNED_CHARACTERS:
        return next((length for length in range(too_long - 1, kept, -1) if fits(length)), kept)
    while too_long - kept > 1:
        middle = (kept + too_long) // 2
        if fits(middle):
            kept = middle
        else:
            too_long = middle
    return kept
