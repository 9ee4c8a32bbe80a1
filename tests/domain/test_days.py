"""Ranges of UTC days."""

from datetime import UTC, date, datetime

import pytest

from server.domain.days import EVERY_DAY, Days
from server.domain.errors import Code, Refusal

FIRST, LAST = date(2026, 2, 28), date(2026, 3, 1)


def test_a_range_begins_with_its_first_day_and_ends_after_its_last() -> None:
    days = Days(FIRST, LAST)
    assert (days.begin, days.end) == (datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))


def test_one_day_is_a_range() -> None:
    days = Days(FIRST, FIRST)
    assert (days.begin, days.end) == (datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))


def test_a_range_may_be_open_at_both_ends() -> None:
    assert (EVERY_DAY.begin, EVERY_DAY.end) == (None, None)


def test_the_last_day_that_can_be_named_has_no_end() -> None:
    assert Days(date.min, date.max).end is None
    assert Days(date.min, date.max).begin == datetime.min.replace(tzinfo=UTC)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        Days(LAST, FIRST)
    assert refused.value.code is Code.BAD_REQUEST
