"""The table of rates in `docs/security.md` is the one of the code."""

from pathlib import Path

import pytest

from server.domain.rates import HOUR_SECONDS, RATES, Action, Subject

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")


@pytest.mark.parametrize("action", Action)
def test_every_rate_stands_in_the_document(action: Action) -> None:
    rates = RATES[action]
    [seconds] = {rate.seconds for rate in rates.values()}
    counts = [f"{rates[subject].count:,}" if subject in rates else "–" for subject in Subject]
    span = "an hour" if seconds == HOUR_SECONDS else "a minute"
    assert f"| {' | '.join([f'`{action.value}`', action.meaning, *counts, span])} |" in PAGE.splitlines()
