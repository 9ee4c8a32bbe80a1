"""What the model is sent: persona and knowledge, the history, the newest message, cut to the model's window.

The meter of a chat has no part in this: history counts once, when it is written, however often it is sent.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

from server.domain.errors import Code, Refusal
from server.llm.model import Model, PromptMessage
from server.llm.text_memory import TextMemory
from server.llm.tokens import count, longest_prefix_within

HISTORY_STEPS = 4
"""Of the room beside persona and knowledge, history is cut in steps of one part in so many: the beginning of the prompt
then stays the same for several turns, and with it what the model has in its prefix cache."""

JOIN_TOKENS = 2
"""What joining persona and knowledge may add."""

CONTEXTS_REMEMBERED = 256
"""How many texts of channels are kept with their tokens."""

KNOWLEDGE_STEPS = 32
"""Knowledge is cut in steps of one part in so many of the room: messages of about the same length then share a cut, and
the model finds it in its prefix cache."""

CUTS_REMEMBERED = 256
"""How many cuts of knowledge are kept; each is some 20 KB at most."""

_ENGLISH_BYTES = bytes(code for code in range(128) if not 0x30 <= code <= 0x39)
"""ASCII without digits, each of which is a token of its own for a small model, while we count three as one."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A message of the chat.

    Attributes:
        tokens: of the text, as stored with it.
    """

    role: Literal["user", "assistant"]
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Window:
    """How much the model can take.

    Attributes:
        window_tokens: prompt and answer together.
        output_tokens: kept free for the answer.
        english_only: see `model.Model`.
    """

    window_tokens: int
    output_tokens: int
    english_only: bool = False

    @classmethod
    def of(cls, model: Model, output_tokens: int) -> Self:
        """What this model can take, with so much kept free for its answer."""
        return cls(model.window_tokens, output_tokens, model.english_only)

    @property
    def room_tokens(self) -> int:
        """What is left for the prompt."""
        return self.window_tokens - self.output_tokens

    def weigh(self, text: str, tokens: int) -> int:
        """How many tokens a text of this many takes in the window."""
        return max(tokens, _foreign_bytes(text)) if self.english_only else tokens


async def fit(
    persona: str, knowledge: str, history: Sequence[Spoken], newest: Spoken, window: Window
) -> list[PromptMessage]:
    """The prompt, the system message first. Where it is too long, the oldest history goes first, then the end of the
    knowledge; persona and newest message stay whole. What takes long is done in a thread, and remembered.

    Raises:
        Refusal: TOO_LARGE, persona and newest message do not fit; of its details `tokens` is what they have (for a
            model that knows English only: may have), `window` what the model leaves for them.
    """
    newest, *history = (
        replace(spoken, tokens=window.weigh(spoken.text, spoken.tokens)) for spoken in (newest, *history)
    )
    needed_tokens = window.weigh(persona, await _context_tokens.of(persona)) + newest.tokens
    if needed_tokens > window.room_tokens:
        raise Refusal(
            Code.TOO_LARGE,
            f"This message is too long for the model: with what the model is told it has {needed_tokens} tokens, "
            f"and {window.room_tokens} are possible.",
            details={"tokens": needed_tokens, "window": window.room_tokens},
        )
    system = "\n\n".join(part for part in (persona, knowledge) if part)
    history_room_tokens = window.room_tokens - window.weigh(system, await _context_tokens.of(system))
    if history_room_tokens < newest.tokens:
        system = persona
        if cut := await _cuts.of((knowledge, _knowledge_tokens(window, needed_tokens), window.english_only)):
            system = f"{persona}\n\n{cut}" if persona else cut
        history = []
    messages = [PromptMessage("system", system)] if system else []
    messages += [PromptMessage(past.role, past.text) for past in _recent(history, history_room_tokens, newest.tokens)]
    return [*messages, PromptMessage(newest.role, newest.text)]


def _knowledge_tokens(window: Window, needed_tokens: int) -> int:
    """What is left for knowledge beside all that is needed, in whole steps."""
    left_tokens = max(0, window.room_tokens - needed_tokens - JOIN_TOKENS)
    return left_tokens - left_tokens % max(1, window.room_tokens // KNOWLEDGE_STEPS)


def _cut(wanted: tuple[str, int, bool]) -> str:
    """The beginning of a text that has at most so many tokens, by the count of a model that knows English only, too."""
    text, budget_tokens, english_only = wanted
    kept = text[: longest_prefix_within(text, budget_tokens)]
    if not english_only:
        return kept
    return kept[: bisect_right(range(1, len(kept) + 1), budget_tokens, key=lambda end: _foreign_bytes(kept[:end]))]


def _foreign_bytes(text: str) -> int:
    """Bytes of what is not English."""
    return len(text.encode().translate(None, _ENGLISH_BYTES))


_context_tokens: TextMemory[str, int] = TextMemory(count, CONTEXTS_REMEMBERED)
_cuts: TextMemory[tuple[str, int, bool], str] = TextMemory(_cut, CUTS_REMEMBERED)


def _recent(history: Sequence[Spoken], room_tokens: int, newest_tokens: int) -> Sequence[Spoken]:
    """The end of the history that fits beside the newest message; it begins with a message of a fan."""
    spoken = [past for past in history if past.text]
    total_tokens = sum(past.tokens for past in spoken)
    excess_tokens = total_tokens + newest_tokens - room_tokens
    if excess_tokens <= 0:
        return spoken
    step_tokens = max(1, room_tokens // HISTORY_STEPS)
    dropped_tokens = -(-excess_tokens // step_tokens) * step_tokens
    if dropped_tokens >= total_tokens:
        dropped_tokens = excess_tokens
    while spoken and (dropped_tokens > 0 or spoken[0].role == "assistant"):
        dropped_tokens -= spoken.pop(0).tokens
    return spoken
