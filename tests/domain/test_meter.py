"""The 50,000 token meter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.errors import Code, Refusal
from server.domain.meter import CAP_TOKENS, MIN_ANSWER_TOKENS, NEAR_PERCENTS, AnswerBudget, Meter, near_tokens


def test_what_is_left() -> None:
    assert Meter(3_400).left_tokens == 46_600


@pytest.mark.parametrize("used", [-1, CAP_TOKENS + 1])
def test_no_meter_is_below_nothing_or_above_its_cap(used: int) -> None:
    with pytest.raises(AssertionError):
        Meter(used)


def test_a_chat_is_full_when_no_answer_fits() -> None:
    assert not Meter(CAP_TOKENS - MIN_ANSWER_TOKENS).is_full
    assert Meter(CAP_TOKENS - MIN_ANSWER_TOKENS + 1).is_full


def test_a_message_that_just_leaves_room_for_an_answer_is_admitted() -> None:
    assert Meter(49_000).admit_prompt(984) == Meter(49_984)


def test_a_message_that_leaves_less_is_refused_with_the_numbers() -> None:
    with pytest.raises(Refusal) as refused:
        Meter(49_000).admit_prompt(985)
    assert refused.value.code is Code.TOO_LONG_FOR_REMAINING
    assert refused.value.details == {"tokens": 985, "left": 1_000}
    assert not refused.value.temporary


def test_a_full_chat_refuses_every_message() -> None:
    with pytest.raises(Refusal) as refused:
        Meter(CAP_TOKENS).admit_prompt(1)
    assert refused.value.code is Code.LIMIT_REACHED


@pytest.mark.parametrize(
    ("used", "limit", "budget"),
    [
        (10_000, 2_048, AnswerBudget(2_048, "length")),
        (CAP_TOKENS - 2_049, 2_048, AnswerBudget(2_048, "length")),
        (CAP_TOKENS - 2_048, 2_048, AnswerBudget(2_048, "cap")),
        (CAP_TOKENS - 16, 2_048, AnswerBudget(16, "cap")),
    ],
)
def test_an_answer_may_hold_the_limit_or_what_is_left(used: int, limit: int, budget: AnswerBudget) -> None:
    assert Meter(used).answer_budget(limit) == budget


def test_near_marks_are_those_still_ahead() -> None:
    assert Meter(30_000).near_marks() == {80: 10_000, 95: 17_500}
    assert Meter(40_000).near_marks() == {95: 7_500}
    assert Meter(47_500).near_marks() == {}


def test_near_is_reached_at_the_first_token_that_makes_up_the_share() -> None:
    assert near_tokens(50_000, 80) == 40_000
    assert near_tokens(101, 80) == 81


def test_both_marks_may_be_crossed_at_once() -> None:
    assert Meter(49_000).near_crossed(Meter(39_999)) == (80, 95)


@given(st.integers(1, 100_000), st.lists(st.integers(0, 9_000)))
def test_each_mark_is_crossed_once(cap: int, added: list[int]) -> None:
    meter, crossed = Meter(0, cap), list[int]()
    for tokens in added:
        grown = meter.add(min(tokens, meter.left_tokens))
        crossed += grown.near_crossed(meter)
        meter = grown
    assert crossed == [percent for percent in NEAR_PERCENTS if meter.used_tokens >= near_tokens(cap, percent)]


@given(st.integers(0, CAP_TOKENS), st.integers(0, 60_000), st.integers(16, 60_000))
def test_an_admitted_message_and_its_answer_never_pass_the_cap(used: int, prompt: int, limit: int) -> None:
    try:
        admitted = Meter(used).admit_prompt(prompt)
    except Refusal:
        assert CAP_TOKENS - used - prompt < MIN_ANSWER_TOKENS
        return
    budget = admitted.answer_budget(limit)
    assert budget.tokens >= MIN_ANSWER_TOKENS
    assert admitted.add(budget.tokens).used_tokens <= CAP_TOKENS
