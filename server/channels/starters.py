"""The questions that a page offers to begin a chat with: what the channel's knowledge says fans ask."""

from typing import Final
from uuid import UUID

from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

STARTERS_HEADING: Final = "QUESTIONS FANS ASK"
"""A line of the knowledge; the lines after it, up to an empty one, are the questions."""

STARTERS_MAX: Final = 3
STARTER_CHARACTERS_MAX: Final = 80

GENERAL_STARTERS: Final = ("What is this channel about?", "Where should I begin?", "What do your fans love most?")
"""For a channel whose knowledge names no questions."""


async def read_starters(postgres: Postgres, channel_id: UUID) -> list[str]:
    """The starter questions of a channel, three at most, never none.

    Raises:
        Refusal: unavailable.
    """
    with outages_refused():
        knowledge = await postgres.pool.fetchval("SELECT knowledge FROM channel WHERE id = $1", channel_id)
    return starters_of(knowledge or "")


def starters_of(knowledge: str) -> list[str]:
    """The questions that stand in this knowledge, or the general ones."""
    _, heading, after = f"\n{knowledge}\n".partition(f"\n{STARTERS_HEADING}\n")
    questions = [line.strip() for line in after.partition("\n\n")[0].splitlines()] if heading else []
    fitting = [question for question in questions if 0 < len(question) <= STARTER_CHARACTERS_MAX]
    return fitting[:STARTERS_MAX] or list(GENERAL_STARTERS)
