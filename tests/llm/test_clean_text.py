"""U+0000, lone surrogates, and pairs split over chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.llm.clean_text import Cleaner


def clean(*chunks: str) -> list[str]:
    cleaner = Cleaner()
    return [cleaner.clean(chunk) for chunk in chunks] + [cleaner.flush()]


@pytest.mark.parametrize(
    ("chunks", "cleaned"),
    [
        (["plain", " text"], ["plain", " text", ""]),
        (["é本😀"], ["é本😀", ""]),
        (["a\0b", "é\0"], ["a\ufffdb", "é\ufffd", ""]),
        (["\ud83d", "\ude00!"], ["", "😀!", ""]),
        (["a\ud83d", "", "\ude00"], ["a", "", "😀", ""]),
        (["\ud83d", "a"], ["", "\ufffda", ""]),
        (["\ude00a"], ["\ufffda", ""]),
        (["\ud83d\ud83d", "\ude00"], ["\ufffd", "😀", ""]),
        (["a\ud83d"], ["a", "\ufffd"]),
        (["\ud83d\ude00"], ["😀", ""]),
    ],
)
def test_what_is_passed_on(chunks: list[str], cleaned: list[str]) -> None:
    assert clean(*chunks) == cleaned


@given(st.lists(st.text(st.sampled_from("a\0é😀\ud83d\ude00\ud800\udfff"), max_size=5)))
def test_chunks_do_not_matter(chunks: list[str]) -> None:
    whole = "".join(clean("".join(chunks)))
    assert "".join(clean(*chunks)) == whole
    assert whole.encode().decode() == whole
    assert "\0" not in whole


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_good_text_stays_as_it_is(chunks: list[str]) -> None:
    assert clean(*chunks) == [*chunks, ""]
