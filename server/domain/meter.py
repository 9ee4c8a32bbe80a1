"""The meter: a chat never holds more than its cap of tokens.

What counts, each once: what the AI is told about the channel at the start, every message of a fan, every answer of the
AI. All figures are tokens of whole encodings; history that is sent to the model again does not count again.
"""

from dataclasses import dataclass
from typing import Literal

from server.domain.errors import Code, Refusal

CAP_TOKENS = 50_000
"""What a chat may hold."""

CONTEXT_MAX_TOKENS = 3_400
"""What the AI is told about the channel is cut to this."""

MIN_ANSWER_TOKENS = 16
"""A message must leave this much for its answer; with less left the chat is full."""

NEAR_PERCENTS = (80, 95)
"""At which shares of the cap a chat says that its end is near, each once."""


BudgetReason = Literal["cap", "length"]
"""What an answer ran into when it used up its budget: the end of the chat, or the limit for one answer."""


@dataclass(frozen=True, slots=True)
class AnswerBudget:
    """What an answer may hold.

    Attributes:
        tokens: at least `MIN_ANSWER_TOKENS` after an admitted message, unless the answer limit is smaller.
        reason: what the answer ran into if it needs all of it.
    """

    tokens: int
    reason: BudgetReason


@dataclass(frozen=True, slots=True)
class Meter:
    """How much of a chat is used.

    Attributes:
        used_tokens: 0 to `cap_tokens`.
        cap_tokens: what the chat may hold.
    """

    used_tokens: int
    cap_tokens: int = CAP_TOKENS

    def __post_init__(self) -> None:
        assert 0 <= self.used_tokens <= self.cap_tokens, f"{self.used_tokens} of {self.cap_tokens} tokens are used"

    @property
    def left_tokens(self) -> int:
        """What may still be added."""
        return self.cap_tokens - self.used_tokens

    @property
    def is_full(self) -> bool:
        """Whether no message can be answered any more."""
        return self.left_tokens < MIN_ANSWER_TOKENS

    def add(self, tokens: int) -> "Meter":
        """The meter after that many tokens more; the caller has made sure that they fit."""
        return Meter(self.used_tokens + tokens, self.cap_tokens)

    def admit_prompt(self, prompt_tokens: int) -> "Meter":
        """The meter with the message added, and at least `MIN_ANSWER_TOKENS` left for its answer.

        Raises:
            Refusal: LIMIT_REACHED when the chat is full, TOO_LONG_FOR_REMAINING when this message is too long for it;
                its details are the message's `tokens` and the chat's `left`.
        """
        if self.is_full:
            raise Refusal(Code.LIMIT_REACHED, "This chat is full: it stays readable, and goes on in a new one.")
        if prompt_tokens > self.left_tokens - MIN_ANSWER_TOKENS:
            raise Refusal(
                Code.TOO_LONG_FOR_REMAINING,
                f"This message has {prompt_tokens} tokens. {self.left_tokens} are left in this chat, "
                f"{MIN_ANSWER_TOKENS} of them for an answer.",
                details={"tokens": prompt_tokens, "left": self.left_tokens},
            )
        return self.add(prompt_tokens)

    def answer_budget(self, answer_limit_tokens: int) -> AnswerBudget:
        """The smaller of the answer limit and what is left after the message; equal counts as the cap."""
        if self.left_tokens <= answer_limit_tokens:
            return AnswerBudget(self.left_tokens, "cap")
        return AnswerBudget(answer_limit_tokens, "length")

    def near_marks(self) -> dict[int, int]:
        """The tokens that an answer has when the chat reaches each share of `NEAR_PERCENTS` not reached yet."""
        marks = {percent: near_tokens(self.cap_tokens, percent) - self.used_tokens for percent in NEAR_PERCENTS}
        return {percent: tokens for percent, tokens in marks.items() if tokens > 0}

    def near_crossed(self, before: "Meter") -> tuple[int, ...]:
        """The shares of `NEAR_PERCENTS` that are reached now and were not before."""
        marks = ((percent, near_tokens(self.cap_tokens, percent)) for percent in NEAR_PERCENTS)
        return tuple(percent for percent, tokens in marks if before.used_tokens < tokens <= self.used_tokens)


def near_tokens(cap_tokens: int, percent: int) -> int:
    """The fewest used tokens that are this share of the cap or more."""
    return -(-cap_tokens * percent // 100)
