"""Money as people write it."""

import pytest

from server.domain.dollars import cents_of, dollars
from server.domain.errors import Code, Refusal


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "$0"), (1, "$0.01"), (100, "$1"), (1_250, "$12.50"), (100_000_000, "$1,000,000")]
)
def test_cents_are_told_in_dollars(cents: int, text: str) -> None:
    assert dollars(cents) == text
    assert cents_of(text) == cents


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("5", 500),
        (" 5 ", 500),
        ("$ 5", 500),
        ("05", 500),
        ("12.5", 1_250),
        ("12.05", 1_205),
        ("0.01", 1),
        ("1,250.50", 125_050),
        ("999999999.99", 99_999_999_999),
    ],
)
def test_what_people_write_is_read(text: str, cents: int) -> None:
    assert cents_of(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-5",
        "+5",
        "5.",
        ".5",
        "5.555",
        "5,50",
        "1,00",
        "1e3",
        "٥",
        "½",
        "5 0",
        "£5",
        "5$",
        "0x10",
        "1234567890",
        "inf",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        cents_of(text)
    assert refused.value.code is Code.BAD_REQUEST
