"""What visitors may do in a day is counted by Postgres's clock, not by those of the nodes."""

import re
from pathlib import Path

import pytest

import server.chats

FOLDER = Path(server.chats.__file__).parent
COUNTING = ("admission", "commits", "first_look", "housekeeping", "turn_rows")
WALL_CLOCK = re.compile(r"time\.time|datetime\.now|utcnow|date\.today|localtime|gmtime")


@pytest.mark.parametrize("name", COUNTING)
def test_what_counts_days_reads_no_wall_clock(name: str) -> None:
    assert WALL_CLOCK.search((FOLDER / f"{name}.py").read_text(encoding="utf-8")) is None
