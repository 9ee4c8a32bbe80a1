"""What stands for users: made of their names alone."""

import pytest

from server.domain.pictures import PATTERN_CELLS, initials_of, pattern_of


@pytest.mark.parametrize(
    ("name", "initials"), [("mara", "M"), ("mara_k", "MK"), ("Mara von der Au", "MV"), ("_-x", "X"), ("ß", "SS")]
)
def test_initials_are_the_first_letters_of_two_words_at_most(name: str, initials: str) -> None:
    assert initials_of(name) == initials


def test_a_pattern_is_the_same_on_both_sides_and_never_empty() -> None:
    for number in range(500):
        cells = set(pattern_of(f"fan-{number}"))
        assert (2, 2) in cells
        assert cells == {(PATTERN_CELLS - 1 - column, row) for column, row in cells}
        assert all(0 <= place < PATTERN_CELLS for cell in cells for place in cell)


def test_a_pattern_is_of_one_username_in_any_case() -> None:
    assert pattern_of("Mara_K") == pattern_of("mara_k")
    assert len({tuple(pattern_of(f"fan-{number}")) for number in range(100)}) > 90
