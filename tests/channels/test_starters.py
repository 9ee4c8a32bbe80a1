"""Starter questions stand in the channel's knowledge."""

from server.channels.starters import GENERAL_STARTERS, read_starters, starters_of
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.support.rows import Rows


def test_the_lines_under_the_heading_are_the_questions() -> None:
    knowledge = "Facts.\n\nQUESTIONS FANS ASK\n Who? \nWhat?\n\nMore facts?"
    assert starters_of(knowledge) == ["Who?", "What?"]


def test_three_at_most_and_none_too_long_for_a_button() -> None:
    questions = ["One?", "x" * 81, "Two?", "Three?", "Four?"]
    assert starters_of("\n".join(["QUESTIONS FANS ASK", *questions])) == ["One?", "Two?", "Three?"]


def test_without_questions_the_general_ones_are_offered() -> None:
    for knowledge in ("", "Facts.", "QUESTIONS FANS ASK", "see QUESTIONS FANS ASK\nWho?"):
        assert starters_of(knowledge) == list(GENERAL_STARTERS)


async def test_they_are_read_from_the_channel(rows: Rows, postgres: Postgres) -> None:
    channel_id = await rows.channel(knowledge="QUESTIONS FANS ASK\nWho?")
    assert await read_starters(postgres, channel_id) == ["Who?"]
    assert await read_starters(postgres, new_id()) == list(GENERAL_STARTERS)
