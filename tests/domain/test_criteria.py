"""Criteria are data: what is of the closed set is read as it was written, all else is refused with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.criteria import PLACES_MAX, BadCriteria, Criterion, CriterionKind, greatest_number


@st.composite
def criteria(draw: st.DrawFn) -> Criterion:
    kind = draw(st.sampled_from(CriterionKind))
    return Criterion(kind, draw(st.integers(1, kind.number_max)) if kind.number else 1)


@given(criteria())
def test_what_is_written_is_read(criterion: Criterion) -> None:
    assert Criterion.read(criterion.as_data()) == criterion


@given(criteria())
def test_the_words_say_the_number(criterion: Criterion) -> None:
    words = criterion.in_words()
    assert words.endswith(".")
    if criterion.kind.number and criterion.number > 1:
        assert f"{criterion.number:,}" in words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"kind": "contributions", "count": 1}, "Make a contribution."),
        ({"kind": "credits_bought", "credits": 1_000, "per": "channel"}, "Buy 1,000 credits for one channel."),
        ({"kind": "channels_supported", "count": 3}, "Contribute to 3 channels."),
        ({"kind": "early_supporter", "among": 10}, "Be among the first 10 who contribute to a channel."),
        ({"kind": "chats", "count": 1}, "Chat once."),
    ],
)
def test_a_criterion_is_told_in_words(data: dict[str, object], words: str) -> None:
    assert Criterion.read(data).in_words() == words


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (None, "JSON object"),
        (["contributions"], "JSON object"),
        ({}, "one of contributions"),
        ({"kind": "likes", "count": 1}, "one of contributions"),
        ({"kind": ["chats"], "count": 1}, "one of contributions"),
        ({"kind": "contributions"}, "count, kind and nothing else"),
        ({"kind": "contributions", "count": 1, "per": "channel"}, "count, kind and nothing else"),
        ({"kind": "closed_goal", "count": 1}, "kind and nothing else"),
        ({"kind": "credits_bought", "credits": 10}, '"per" is "channel"'),
        ({"kind": "credits_bought", "credits": 10, "per": "week"}, '"per" is "channel"'),
        ({"kind": "contributions", "count": 0}, "1 to 1,000,000"),
        ({"kind": "contributions", "count": 1_000_001}, "1 to 1,000,000"),
        ({"kind": "contributions", "count": True}, "1 to 1,000,000"),
        ({"kind": "contributions", "count": 1.0}, "1 to 1,000,000"),
        ({"kind": "contributions", "count": "1"}, "1 to 1,000,000"),
        ({"kind": "early_supporter", "among": PLACES_MAX + 1}, "1 to 100"),
    ],
)
def test_what_is_not_of_the_closed_set_is_refused_with_the_reason(data: object, why: str) -> None:
    with pytest.raises(BadCriteria, match=why):
        Criterion.read(data)


@pytest.mark.parametrize("among", [1, PLACES_MAX])
def test_the_bounds_themselves_are_allowed(among: int) -> None:
    assert Criterion.read({"kind": "early_supporter", "among": among}).number == among


def test_the_greatest_number_of_a_kind_is_0_when_nobody_asks_for_it() -> None:
    some = [Criterion(CriterionKind.CHATS, 3), Criterion(CriterionKind.CHATS, 7)]
    assert greatest_number(some, CriterionKind.CHATS) == 7
    assert greatest_number(some, CriterionKind.EARLY_SUPPORTER) == 0
