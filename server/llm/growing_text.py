"""The tokens of a text that grows, exact at any moment and nearly free between the moments that matter."""

from server.llm.boundaries import last_boundary
from server.llm.tokens import INLINE_CHARACTERS, count

COMMIT_ABOVE_BYTES = 512
"""How much is kept uncounted before what can be settled is counted: about 50 µs of work every hundred tokens."""

UNSETTLED_TOKENS = 16
"""How many tokens more than bytes a text may gain by what is appended, because its last piece is encoded anew. The most
that was found in five million trials with the longest tokens is 4; used only for tails without a boundary."""


class GrowingText:
    """Counts by settling: what stands before a boundary (see `boundaries`) is counted once and forgotten.

    Between two counts `ceiling_tokens` says what the text cannot pass: a token has at least one byte. Whoever waits for
    a limit needs no count while the ceiling is below it. The text itself is not kept, only the tail not settled yet.

    Attributes:
        ceiling_tokens: the text has no more tokens than this.
    """

    __slots__ = ("_settled_tokens", "_tail", "_tail_bytes", "_try_above_bytes", "ceiling_tokens")

    def __init__(self) -> None:
        self.ceiling_tokens = 0
        self._settled_tokens = 0
        self._tail = ""
        self._tail_bytes = 0
        self._try_above_bytes = COMMIT_ABOVE_BYTES

    @property
    def settled_tokens(self) -> int:
        """Tokens of all that stands before `tail`."""
        return self._settled_tokens

    @property
    def tail(self) -> str:
        """The end of the text that is not settled yet."""
        return self._tail

    @property
    def counts_quickly(self) -> bool:
        """Whether `exact_tokens` takes less than about a millisecond; if not, call it off the event loop."""
        return len(self._tail) <= INLINE_CHARACTERS

    def copy(self) -> "GrowingText":
        """Another text with the same beginning."""
        twin = GrowingText()
        twin._settled_tokens = self._settled_tokens
        twin._tail = self._tail
        twin._tail_bytes = self._tail_bytes
        twin.ceiling_tokens = self.ceiling_tokens
        twin._try_above_bytes = self._try_above_bytes
        return twin

    def add(self, text: str, size_bytes: int) -> None:
        """Appends a text without lone surrogates; `size_bytes` is its length in UTF-8."""
        self._tail += text
        self._tail_bytes += size_bytes
        self.ceiling_tokens += size_bytes
        if self._tail_bytes > self._try_above_bytes:
            self._settle()

    def exact_tokens(self) -> int:
        """Tokens of the whole text: what one encode of all of it would give."""
        self._settle()
        tail_tokens = count(self._tail)
        if len(self._tail) > COMMIT_ABOVE_BYTES:
            # A long tail without a boundary: remember the count, or it would be repeated for each letter that follows.
            self.ceiling_tokens = self._settled_tokens + min(self._tail_bytes, tail_tokens + UNSETTLED_TOKENS)
        return self._settled_tokens + tail_tokens

    def estimate_tokens(self) -> int:
        """For display: exact for usual text, a little off for a long tail without a boundary; never slow."""
        if self.counts_quickly:
            return self.exact_tokens()
        return min(self.ceiling_tokens, self._settled_tokens + self._tail_bytes // 3)

    def _settle(self) -> None:
        place = last_boundary(self._tail, len(self._tail) - 1)
        if place:
            self._settled_tokens += count(self._tail[:place])
            self._tail = self._tail[place:]
            self._tail_bytes = len(self._tail.encode())
            self.ceiling_tokens = self._settled_tokens + self._tail_bytes
        self._try_above_bytes = self._tail_bytes + COMMIT_ABOVE_BYTES
