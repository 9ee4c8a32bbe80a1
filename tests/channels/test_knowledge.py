"""Contexts are cut to their limit, frozen, and shared by their content."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.channels.knowledge import FROZEN_CONTEXTS_KEPT, Knowledge, cut_to_tokens
from server.domain.errors import Code, Refusal
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.support.rows import Rows


async def count_words(text: str) -> int:
    """Stands for the meter: a word is a token."""
    return len(text.split())


def knowledge_of(postgres: Postgres, tokens_max: int = 3_400) -> Knowledge:
    return Knowledge(postgres, count_words, tokens_max)


async def change(rows: Rows, **columns: str) -> None:
    for column, text in columns.items():
        await rows.postgres.pool.execute(f"UPDATE channel SET {column} = $1", text)


async def test_a_context_is_persona_and_knowledge_as_one_text(rows: Rows) -> None:
    channel_id = await rows.channel(persona="You are kind.", knowledge="One. Two.")
    context = await knowledge_of(rows.postgres).freeze(channel_id)
    assert context.text == "You are kind.\n\nOne. Two."
    assert context.tokens == 5


@pytest.mark.parametrize(
    ("persona", "knowledge", "text"), [("", "", ""), ("Only me.", "", "Only me."), ("", "Facts.", "Facts.")]
)
async def test_a_part_that_is_empty_adds_nothing(rows: Rows, persona: str, knowledge: str, text: str) -> None:
    channel_id = await rows.channel(persona=persona, knowledge=knowledge)
    context = await knowledge_of(rows.postgres).freeze(channel_id)
    assert (context.text, context.tokens) == (text, len(text.split()))


async def test_knowledge_loses_its_end_before_the_persona_does(rows: Rows) -> None:
    channel_id = await rows.channel(persona="a b c", knowledge="d e f g h")
    context = await knowledge_of(rows.postgres, 5).freeze(channel_id)
    assert (context.persona, context.knowledge, context.tokens) == ("a b c", "d e", 5)


async def test_a_persona_above_the_limit_is_cut_too(rows: Rows) -> None:
    channel_id = await rows.channel(persona="a b c d", knowledge="e")
    context = await knowledge_of(rows.postgres, 3).freeze(channel_id)
    assert (context.persona, context.knowledge, context.tokens) == ("a b c", "", 3)


async def test_the_same_words_are_one_row_for_every_node(rows: Rows, postgres: Postgres) -> None:
    channel_id = await rows.channel(persona="p", knowledge="k")
    one, other = knowledge_of(postgres), knowledge_of(postgres)
    assert await one.freeze(channel_id) == await one.freeze(channel_id) == await other.freeze(channel_id)
    assert await postgres.pool.fetchval("SELECT count(*) FROM channel_context") == 1


async def test_what_is_frozen_does_not_change_with_the_channel(rows: Rows, postgres: Postgres) -> None:
    channel_id = await rows.channel(persona="p", knowledge="old")
    knowledge = knowledge_of(postgres)
    before = await knowledge.freeze(channel_id)
    await change(rows, knowledge="new")
    after = await knowledge.freeze(channel_id)
    assert (before.knowledge, after.knowledge) == ("old", "new")
    assert await knowledge.read(before.id) == await knowledge_of(postgres).read(before.id) == before


async def test_moving_words_between_the_two_parts_is_another_context(rows: Rows, postgres: Postgres) -> None:
    channel_id = await rows.channel(persona="a b", knowledge="c")
    knowledge = knowledge_of(postgres)
    before = await knowledge.freeze(channel_id)
    await change(rows, persona="a", knowledge="b c")
    assert (await knowledge.freeze(channel_id)).id != before.id


async def test_memory_keeps_a_bounded_number_of_contexts(rows: Rows, postgres: Postgres) -> None:
    channel_id = await rows.channel(knowledge="start")
    knowledge = knowledge_of(postgres)
    first = await knowledge.freeze(channel_id)
    for number in range(FROZEN_CONTEXTS_KEPT + 3):
        await change(rows, knowledge=f"k {number}")
        await knowledge.freeze(channel_id)
    assert len(knowledge._kept) == FROZEN_CONTEXTS_KEPT
    assert await knowledge.read(first.id) == first


async def test_an_absent_channel_or_context_is_not_found(postgres: Postgres) -> None:
    knowledge = knowledge_of(postgres)
    for read in (knowledge.freeze(new_id()), knowledge.read(new_id())):
        with pytest.raises(Refusal) as refused:
            await read
        assert refused.value.code is Code.NOT_FOUND


@given(text=st.text(alphabet="ab \n", max_size=300), tokens_max=st.integers(0, 40))
async def test_a_cut_text_fits_and_is_a_beginning(text: str, tokens_max: int) -> None:
    cut, tokens = await cut_to_tokens(text, tokens_max, count_words)
    assert tokens == await count_words(cut) <= tokens_max
    assert text.startswith(cut)
    if await count_words(text) <= tokens_max:
        assert cut == text
    else:
        assert tokens == tokens_max


async def test_a_text_without_spaces_is_cut_anywhere() -> None:
    async def count_letters(text: str) -> int:
        return len(text)

    assert await cut_to_tokens("深" * 100, 7, count_letters) == ("深" * 7, 7)


async def test_a_limit_that_nothing_fits_is_a_mistake() -> None:
    async def count_much(_text: str) -> int:
        return 9

    with pytest.raises(ValueError, match="9 tokens"):
        await cut_to_tokens("text", 8, count_much)
