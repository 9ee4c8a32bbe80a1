"""Nothing that decides about money asks the clock of the machine it runs on: Postgres's and Redis's count."""

import re
from pathlib import Path

import pytest

import server.ledger

SOURCES = sorted(Path(server.ledger.__file__).parent.glob("*.py"))
WALL_CLOCK = re.compile(r"time\.time|datetime\.now|utcnow|date\.today|localtime|gmtime")


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_ledger_reads_no_wall_clock(source: Path) -> None:
    assert WALL_CLOCK.search(source.read_text(encoding="utf-8")) is None
