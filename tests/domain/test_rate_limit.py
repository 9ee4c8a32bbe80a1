"""The token bucket, and the table of rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.rate_limit import TokenBucket
from server.domain.rates import RATES, Action, Rate, Subject

pauses = st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=200)


@given(burst=st.integers(1, 50), per_second=st.floats(0.1, 20), pauses=pauses)
def test_no_span_of_time_gets_more_than_the_burst_and_what_flows_in(
    burst: int, per_second: float, pauses: list[float]
) -> None:
    bucket, now_seconds, taken = TokenBucket.full(per_second, burst, 0.0), 0.0, 0
    for pause in pauses:
        now_seconds += pause
        taken += bucket.take(now_seconds) == 0
        assert taken <= burst + per_second * now_seconds + 1e-6


@given(burst=st.integers(1, 50), per_second=st.floats(0.1, 20), pauses=pauses)
def test_whoever_waits_as_long_as_they_are_told_gets_one(burst: int, per_second: float, pauses: list[float]) -> None:
    bucket, now_seconds = TokenBucket.full(per_second, burst, 0.0), 0.0
    for pause in pauses:
        now_seconds += pause
        wait_seconds = bucket.take(now_seconds)
        if wait_seconds:
            now_seconds += wait_seconds + 1e-6
            assert bucket.take(now_seconds) == 0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket.full(1.0, 1, 100.0)
    assert bucket.take(100.0) == 0
    assert bucket.take(50.0) == 1.0


@pytest.mark.parametrize("action", Action)
def test_every_action_is_limited_for_an_address(action: Action) -> None:
    assert Subject.ADDRESS in RATES[action]


@pytest.mark.parametrize(("factor", "count"), [(1.0, 60), (2.5, 150), (0.01, 1), (0.0, 1)])
def test_a_factor_leaves_at_least_one(factor: float, count: int) -> None:
    assert Rate(60, 60).times(factor) == Rate(count, 60)
