"""Answers of the model as other rooms see them: clean pieces of text that never pass their budget.

What a model sends is cleaned, counted, and cut where the budget ends; what goes wrong becomes the end of the answer.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Literal, Protocol

import msgspec

from server.domain.errors import Code, Refusal
from server.domain.meter import BudgetReason
from server.llm.clean_text import Cleaner
from server.llm.growing_text import GrowingText
from server.llm.model import Fault, Model, OfferTexts, PromptMessage, ProviderUsage, provider_refusal
from server.llm.patience import Patience
from server.llm.tokens import INLINE_CHARACTERS, in_encoder_thread, longest_prefix_within

Why = Literal["stop", "length", "cap", "filter", "error", "closed"]
"""Why an answer ended; `closed` is that `Answer.aclose` was called before any other reason."""


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """What an answer may take.

    Attributes:
        concurrent_answers: more at once are refused with OVERLOADED.
        first_token_seconds: from the first wait for the model to its first text, retries included.
        stall_seconds: between two texts of the model.
        json_bytes: an answer whose JSON string would have this many bytes or more ends with `length`.
        retry_after_seconds: what a refusal with OVERLOADED says.
    """

    concurrent_answers: int = 4_000
    first_token_seconds: float = 60.0
    stall_seconds: float = 30.0
    json_bytes: int = 192 * 1024
    retry_after_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """What is asked, and how long the answer may be.

    Attributes:
        budget_tokens: the answer never has more.
        budget_reason: how it ends when it would.
        thresholds: numbers of tokens, ascending, to be reported when the answer reaches them.
        named: another model of the same provider; None means the one that is configured.
    """

    messages: Sequence[PromptMessage]
    budget_tokens: int
    budget_reason: BudgetReason
    thresholds: tuple[int, ...] = ()
    named: str | None = None


class Piece(msgspec.Struct, frozen=True, gc=False):
    """What comes next of an answer. A msgspec Struct, as one is made for each token.

    Attributes:
        text: never empty; holds no U+0000 and no lone surrogate.
        chunks: of how many chunks of the model it is made, 1 or more.
        crossed: the thresholds that the answer has reached with this piece, each told once.
    """

    text: str
    chunks: int
    crossed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """How an answer ended.

    Attributes:
        error: what went wrong, when `why` is `error`; else None.
        usage: the provider's own figures; None where it did not tell them, as when an answer is cut or closed.
    """

    why: Why
    error: Refusal | None = None
    usage: ProviderUsage | None = None


class PieceSink(Protocol):
    """Takes pieces in the turn of the loop that brings them. It may not block."""

    @property
    def is_ready(self) -> bool:
        """Whether it takes a piece now."""

    def take(self, piece: Piece) -> None:
        """Take the next piece."""


class Answers:
    """Asks a model for answers, so many at a time."""

    def __init__(self, model: Model, limits: AnswerLimits) -> None:
        self.model = model
        self.limits = limits
        self._running: set[Answer] = set()

    @property
    def running(self) -> int:
        """How many answers are not over."""
        return len(self._running)

    def ask(self, request: AnswerRequest) -> "Answer":
        """An answer; the model is asked when it is first waited for. Iterate it to its end, or call its `aclose`.

        Raises:
            Refusal: OVERLOADED, too many answers are running.
        """
        if len(self._running) >= self.limits.concurrent_answers:
            raise Refusal(
                Code.OVERLOADED,
                "Too many answers are being written at the moment.",
                after_seconds=self.limits.retry_after_seconds,
            )
        answer = Answer(self, request)
        self._running.add(answer)
        return answer

    def forget(self, answer: "Answer") -> None:
        """The answer is over and makes room for another one."""
        self._running.discard(answer)


class Answer:
    """One answer, to be iterated by one task. Errors of the model do not raise: they are its end.

    Attributes:
        end: None until the iteration is over.
    """

    def __init__(self, answers: Answers, request: AnswerRequest) -> None:
        self.end: AnswerEnd | None = None
        self._answers = answers
        self._limits = answers.limits
        self._request = request
        self._stream = answers.model.stream(request.messages, request.budget_tokens, named=request.named)
        self._cleaner = Cleaner()
        self._growing = GrowingText()
        self._thresholds = list(request.thresholds)
        self._json_bytes = 0
        self._held_chunks = 0
        self._pending_end: AnswerEnd | None = None
        self._patience = Patience(self._limits.first_token_seconds, self._stream.abort)
        self._is_closed = False
        self._watch_tokens = self._next_watch()

    def __aiter__(self) -> "Answer":
        return self

    async def __anext__(self) -> Piece:
        """The next piece; waits for the model.

        Raises:
            StopAsyncIteration: the answer is over; `end` says why.
        """
        piece = await self._next(None)
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def flow(self, sink: PieceSink) -> Piece | None:
        """Hand over pieces for as long as the sink is ready, without waking the task that waits here where nothing
        needs to be known exactly.

        Returns:
            The next piece that the sink has not taken; None: the answer is over; `end` says why.
        """
        return await self._next(partial(self._offer, sink))

    async def _next(self, offer: OfferTexts | None) -> Piece | None:
        while self._pending_end is None and not self._is_closed:
            chunks = await self._read(offer)
            text = self._cleaner.clean(chunks[0] if len(chunks) == 1 else "".join(chunks))
            self._held_chunks += len(chunks)
            if not chunks:
                text = self._cleaner.flush()
                self._pending_end = self._models_end()
            if text and (piece := await self._piece(text)):
                return piece
        await self._finish()
        return None

    async def __aenter__(self) -> "Answer":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connection to the model at once. May be repeated, and called by another task than the one that
        iterates: its iteration ends, after a piece that may just be counted, with `closed` unless another reason came
        first."""
        self._is_closed = True
        self._patience.end()
        self._answers.forget(self)
        await self._stream.aclose()

    def tokens_now(self) -> int:
        """How many tokens the pieces given so far have, for display: quick, and mostly exact."""
        return self._growing.estimate_tokens()

    async def count_tokens(self) -> int:
        """How many tokens the pieces given so far have together: the length of their full encoding."""
        growing = self._growing
        if growing.counts_quickly:
            return growing.exact_tokens()
        return await in_encoder_thread(growing.copy().exact_tokens)

    def _offer(self, sink: PieceSink, chunks: list[str]) -> bool:
        """Hand over what needs no care; returns whether that was done."""
        text = chunks[0] if len(chunks) == 1 else "".join(chunks)
        size_bytes = self._cleaner.size_if_clean(text)
        if size_bytes is None or self._is_closed or not sink.is_ready or not self._add_quickly(text, size_bytes):
            return False
        self._patience.renew(self._limits.stall_seconds)
        sink.take(Piece(text, len(chunks)))
        return True

    async def _read(self, offer: OfferTexts | None) -> list[str]:
        """The model's next chunks; none at the end, for whatever reason."""
        self._patience.begin()
        try:
            return await self._stream.read(offer)
        except Refusal as refusal:
            self._pending_end = AnswerEnd("error", refusal)
            return []
        finally:
            self._patience.pause(self._limits.stall_seconds)

    def _models_end(self) -> AnswerEnd:
        """Why the model sends nothing more."""
        if self._pending_end is not None:
            return self._pending_end
        if self._stream.finish is None:
            if self._is_closed:
                return AnswerEnd("closed")
            has_begun = self._growing.ceiling_tokens > 0
            return AnswerEnd("error", provider_refusal(Fault.STALLED if has_begun else Fault.SLOW_START))
        why: Why = self._request.budget_reason if self._stream.finish == "length" else self._stream.finish
        return AnswerEnd(why, usage=self._stream.usage)

    async def _piece(self, text: str) -> Piece | None:
        """The text as a piece, cut where the answer must end; None when nothing of it may be given."""
        if self._add_quickly(text, len(text) if text.isascii() else len(text.encode())):
            chunks, self._held_chunks = self._held_chunks, 0
            return Piece(text, chunks or 1)
        return await self._careful_piece(text)

    def _add_quickly(self, text: str, size_bytes: int) -> bool:
        """Add the text, unless something near must be known exactly; returns whether it was added."""
        growing = self._growing
        if growing.ceiling_tokens + size_bytes >= self._watch_tokens or len(text) > INLINE_CHARACTERS:
            return False
        json_bytes = len(_encoder.encode(text)) - 2
        if self._json_bytes + json_bytes >= self._limits.json_bytes:
            return False
        growing.add(text, size_bytes)
        self._json_bytes += json_bytes
        return True

    async def _careful_piece(self, text: str) -> Piece | None:
        """`_piece` near a threshold or a limit, and for long texts: with exact counts."""
        room_bytes = self._limits.json_bytes - 1 - self._json_bytes
        kept = _within_json_bytes(text, room_bytes)
        ends: Why | None = "length" if len(kept) < len(text) else None
        grown, tokens = await self._grown(kept)
        if tokens > self._request.budget_tokens:
            ends = self._request.budget_reason
            kept = await self._cut(kept)
            grown, tokens = await self._grown(kept)
        if ends is not None:
            self._pending_end = self._pending_end or AnswerEnd(ends)
            self._stream.abort()
        if not kept:
            return None
        crossed = tuple(threshold for threshold in self._thresholds if threshold <= tokens)
        del self._thresholds[: len(crossed)]
        self._growing = grown
        self._json_bytes += _json_bytes(kept)
        self._watch_tokens = self._next_watch()
        chunks, self._held_chunks = self._held_chunks, 0
        return Piece(kept, chunks or 1, crossed)

    async def _grown(self, text: str) -> tuple[GrowingText, int]:
        """The answer with the text added, and its exact tokens. The answer itself stays as it is: if this wait is
        cancelled, the text was not given."""

        def grow() -> tuple[GrowingText, int]:
            grown = self._growing.copy()
            grown.add(text, len(text.encode()))
            return grown, grown.exact_tokens()

        if len(text) <= INLINE_CHARACTERS and self._growing.counts_quickly:
            return grow()
        return await in_encoder_thread(grow)

    async def _cut(self, text: str) -> str:
        """The longest part of the text that keeps the answer within its budget."""
        tail = self._growing.tail
        left_tokens = self._request.budget_tokens - self._growing.settled_tokens
        length = await in_encoder_thread(lambda: longest_prefix_within(tail + text, left_tokens, len(tail)))
        return text[: length - len(tail)]

    def _next_watch(self) -> int:
        """The number of tokens below which nothing needs to be known exactly."""
        return min([*self._thresholds, self._request.budget_tokens + 1])

    async def _finish(self) -> None:
        if self.end is None:
            end = self._pending_end or AnswerEnd("closed")
            if end.why in ("stop", "length", "cap") and self._growing.ceiling_tokens == 0:
                end = AnswerEnd("error", provider_refusal(Fault.EMPTY), end.usage)
            self.end = end
        await self.aclose()


_encoder = msgspec.json.Encoder()


def _json_bytes(text: str) -> int:
    """The length of the text as a JSON string, in UTF-8, without its quotes."""
    return len(_encoder.encode(text)) - 2


def _within_json_bytes(text: str, room_bytes: int) -> str:
    """The longest beginning of the text that takes at most so many bytes as a JSON string."""
    if _json_bytes(text) <= room_bytes:
        return text
    return text[: bisect_right(range(1, len(text)), room_bytes, key=lambda length: _json_bytes(text[:length]))]
