"""The incremental count equals the full encoding, and its ceiling holds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from server.llm import growing_text
from server.llm.growing_text import GrowingText
from server.llm.tokens import count
from tests.llm.texts import chunk_lengths, cut, texts


def grow(chunks: list[str]) -> GrowingText:
    growing = GrowingText()
    for chunk in chunks:
        growing.add(chunk, len(chunk.encode()))
    return growing


@settings(deadline=None, max_examples=300)
@given(texts, chunk_lengths)
def test_the_count_is_that_of_the_whole_text(text: str, lengths: list[int]) -> None:
    assert grow(cut(text, lengths)).exact_tokens() == count(text)


@settings(deadline=None, max_examples=150)
@given(texts, chunk_lengths, st.sets(st.integers(0, 200)))
def test_the_text_never_passes_the_ceiling(text: str, lengths: list[int], counted_at: set[int]) -> None:
    growing, so_far = GrowingText(), ""
    for turn, chunk in enumerate(cut(text, lengths)):
        growing.add(chunk, len(chunk.encode()))
        so_far += chunk
        tokens = count(so_far)
        assert tokens <= growing.ceiling_tokens
        if turn in counted_at:
            assert growing.exact_tokens() == tokens
            assert tokens <= growing.ceiling_tokens


def test_a_copy_grows_on_its_own() -> None:
    growing = grow(["one two three "])
    twin = growing.copy()
    twin.add("four", 4)
    assert growing.exact_tokens() == count("one two three ")
    assert twin.exact_tokens() == count("one two three four")


def test_little_is_kept_of_a_text_with_spaces() -> None:
    growing = grow(["some words "] * 1_000)
    assert len(growing.tail) <= 2 * growing_text.COMMIT_ABOVE_BYTES
    assert growing.settled_tokens > 0


def test_an_estimate_is_near_and_quick_without_any_boundary() -> None:
    growing = grow(["ก"] * 5_000)
    assert not growing.counts_quickly
    assert 0 < growing.estimate_tokens() <= growing.ceiling_tokens
    assert grow(["hello world"]).estimate_tokens() == 2
