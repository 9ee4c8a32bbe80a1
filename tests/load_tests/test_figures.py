"""What the load tests make of what they have measured."""

import xml.etree.ElementTree as ET
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from load_tests.curves import draw
from load_tests.figures import Delays, Run
from load_tests.machine import Load
from load_tests.report import save, show
from load_tests.stamps import UNIT_US, WRAP_US, delays_us, now_us, stamp_of, stamped
from server.llm.tokens import count

QUIET = Load(10.0, {"server": 5.0, "fans": 1.0}, steal=0.0, foreign=0.0, bench_busy=0.5)
LOUD = Load(10.0, {"server": 5.0, "fans": 1.0}, steal=0.2, foreign=0.3, bench_busy=0.95)
RUN = Run("steady", "bare", 1, 100, QUIET, Delays.of_us([1_000, 2_000, 3_000]), {"cpu_us_per_token": 50.0})


def test_a_stamp_tells_when_it_was_written() -> None:
    text = stamped("Hello") + stamped(" #12 there")
    received_us = now_us() + 7
    delays = delays_us(text, received_us)
    assert len(delays) == 2
    assert delays[0] >= delays[1] >= 7


@pytest.mark.parametrize("at_us", [0, 10, 40_950, 40_960, 123_456_780, WRAP_US - 10, WRAP_US + 30])
def test_a_stamp_says_its_moment_to_10_us_and_is_two_tokens(at_us: int) -> None:
    assert delays_us(stamp_of(at_us), at_us % WRAP_US) == [0]
    assert delays_us(stamp_of(at_us + UNIT_US - 1), at_us % WRAP_US + 1_000) == [1_000]
    assert count(stamp_of(at_us)) == 2


def test_the_clock_may_begin_anew_between_stamp_and_arrival() -> None:
    assert delays_us(stamp_of(WRAP_US - 50), 100) == [150]


def test_percentiles_are_values_that_were_measured() -> None:
    delays = Delays.of_us([*range(1_000, 101_000, 1_000)])
    assert (delays.count, delays.at_ms[50.0], delays.at_ms[99.0], delays.at_ms[100.0]) == (100, 51.0, 99.0, 100.0)


def test_a_phase_that_says_little_is_flagged() -> None:
    assert QUIET.flags == []
    assert LOUD.flags == ["steal", "foreign", "bench-bound"]


def test_the_table_shows_every_run_and_its_faults() -> None:
    console = Console(width=200, record=True, file=StringIO())
    broken = Run("steady", "tallylight", 1, 100, LOUD, RUN.delays, RUN.figures, ["a gap"])
    show([RUN, broken], {"commit": "abc"}, console)
    text = console.export_text()
    assert "abc" in text
    assert "2.00" in text
    assert "bench-bound, FAULTS" in text
    assert "a gap" in text


def test_results_are_written_as_json_and_picture(tmp_path: Path) -> None:
    data, picture = save([RUN], {"commit": "abc <1>"}, tmp_path)
    told = msgspec.json.decode(data.read_bytes())
    assert told["source"] == {"commit": "abc <1>"}
    assert told["runs"][0]["delays"]["at_ms"]["50.0"] == 2.0
    assert ET.fromstring(picture.read_text()).tag.endswith("svg")


def test_every_run_is_a_curve() -> None:
    assert draw("title", [RUN, RUN], {}).count("<polyline") == 2
