"""What a channel's AI is told at the start of a chat: persona and knowledge, cut to the context's limit and frozen.

A frozen context never changes and is shared by all chats that began with the same words: its row is found by the
SHA-256 of its text. What an admin changes later is told to later chats only.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from server.domain.errors import Code, Refusal
from server.storage.ids import new_id
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

FROZEN_CONTEXTS_KEPT: Final = 256
"""Contexts kept in memory, the last used ones; each is some 20 KB at most."""

WORD_CHARACTERS_MAX: Final = 40
"""How much is given up for ending between words; scripts without spaces are cut anywhere."""

Count = Callable[[str], Awaitable[int]]
"""Tokens of a text's whole encoding; it may take its time, but not the event loop's."""


@dataclass(frozen=True, slots=True)
class FrozenContext:
    """What a chat's AI is told about the channel.

    Attributes:
        id: the row in `channel_context`.
        persona: who the AI is.
        knowledge: what it knows; cut first when both are too long.
        tokens: the whole encoding of `text`.
    """

    id: UUID
    persona: str
    knowledge: str
    tokens: int

    @property
    def text(self) -> str:
        """Both as the one text that is counted and told."""
        return context_text(self.persona, self.knowledge)


def context_text(persona: str, knowledge: str) -> str:
    """Persona and knowledge as one text, with an empty line between."""
    return "\n\n".join(part for part in (persona, knowledge) if part)


class Knowledge:
    """Freezes and reads contexts."""

    def __init__(self, postgres: Postgres, count: Count, tokens_max: int) -> None:
        """Take the meter.

        Args:
            postgres: where channels and contexts are.
            count: counts the tokens of a text.
            tokens_max: the limit of a context, in tokens.
        """
        self._postgres = postgres
        self._count = count
        self._tokens_max = tokens_max
        self._kept: OrderedDict[UUID | tuple[UUID, bytes], FrozenContext] = OrderedDict()

    async def freeze(self, channel_id: UUID) -> FrozenContext:
        """The context of a chat that begins now.

        Raises:
            Refusal: not_found, the channel is gone; unavailable.
        """
        with outages_refused():
            row = await self._postgres.pool.fetchrow("SELECT persona, knowledge FROM channel WHERE id = $1", channel_id)
        if row is None:
            raise Refusal(Code.NOT_FOUND, "There is no such channel.")
        source = (channel_id, _digest(row["persona"], row["knowledge"]))
        if source not in self._kept:
            persona, knowledge, tokens = await self._cut(row["persona"], row["knowledge"])
            self._keep(source, await self._store(channel_id, persona, knowledge, tokens))
        return self._take(source)

    async def read(self, context_id: UUID) -> FrozenContext:
        """The context that a chat began with.

        Raises:
            Refusal: not_found; unavailable.
        """
        if context_id not in self._kept:
            with outages_refused():
                row = await self._postgres.pool.fetchrow(
                    "SELECT id, persona, knowledge, tokens FROM channel_context WHERE id = $1", context_id
                )
            if row is None:
                raise Refusal(Code.NOT_FOUND, "There is no such context.")
            self._keep(context_id, FrozenContext(**dict(row)))
        return self._take(context_id)

    async def _store(self, channel_id: UUID, persona: str, knowledge: str, tokens: int) -> FrozenContext:
        digest = _digest(persona, knowledge)
        with outages_refused():
            await self._postgres.pool.execute(
                "INSERT INTO channel_context (id, channel_id, persona, knowledge, tokens, sha256)"
                " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (channel_id, sha256) DO NOTHING",
                new_id(),
                channel_id,
                persona,
                knowledge,
                tokens,
                digest,
            )
            row = await self._postgres.pool.fetchrow(
                "SELECT id, persona, knowledge, tokens FROM channel_context WHERE channel_id = $1 AND sha256 = $2",
                channel_id,
                digest,
            )
        assert row is not None, "contexts are never deleted"
        return FrozenContext(**dict(row))

    async def _cut(self, persona: str, knowledge: str) -> tuple[str, str, int]:
        """Both within the limit, and their tokens: knowledge loses its end first, then the persona."""
        persona, persona_tokens = await cut_to_tokens(persona, self._tokens_max, self._count)
        if not knowledge:
            return persona, "", persona_tokens
        before = context_text(persona, knowledge).removesuffix(knowledge)

        async def count_with_persona(part: str) -> int:
            return await self._count(before + part) if part else persona_tokens

        knowledge, tokens = await cut_to_tokens(knowledge, self._tokens_max, count_with_persona)
        return persona, knowledge, tokens

    def _keep(self, key: UUID | tuple[UUID, bytes], context: FrozenContext) -> None:
        self._kept[key] = context
        while len(self._kept) > FROZEN_CONTEXTS_KEPT:
            self._kept.popitem(last=False)

    def _take(self, key: UUID | tuple[UUID, bytes]) -> FrozenContext:
        self._kept.move_to_end(key)
        return self._kept[key]


async def cut_to_tokens(text: str, tokens_max: int, count: Count) -> tuple[str, int]:
    """The longest beginning of a text that fits, and its tokens; cut between words where there is a space.

    The count of a prefix may fall by a token as the prefix grows, so what is returned is always counted itself.

    Raises:
        ValueError: not even the empty text fits.
    """
    tokens = await count(text)
    if tokens <= tokens_max:
        return text, tokens
    best, best_tokens = "", await count("")
    if best_tokens > tokens_max:
        raise ValueError(f"{best_tokens} tokens are taken before the text begins, the limit is {tokens_max}")
    too_long = len(text)
    while too_long - len(best) > 1:
        middle = (len(best) + too_long) // 2
        tokens = await count(text[:middle])
        if tokens <= tokens_max:
            best, best_tokens = text[:middle], tokens
        else:
            too_long = middle
    at_word = _end_at_word(best, text)
    tokens = await count(at_word)
    return (at_word, tokens) if tokens <= tokens_max else (best, best_tokens)


def _end_at_word(beginning: str, text: str) -> str:
    """The beginning without the word that it ends inside of; as it is where no word boundary is near."""
    if text[len(beginning)].isspace():
        return beginning.rstrip()
    for cut in range(len(beginning) - 1, max(0, len(beginning) - WORD_CHARACTERS_MAX), -1):
        if beginning[cut].isspace():
            return beginning[:cut].rstrip()
    return beginning


def _digest(persona: str, knowledge: str) -> bytes:
    """SHA-256 over both; U+0000, which Postgres never holds, keeps them apart."""
    return hashlib.sha256(f"{persona}\0{knowledge}".encode()).digest()
