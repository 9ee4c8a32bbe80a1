"""Every test that `docs/security.md` names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
THREATS = PAGE.partition("## Threats")[2].partition("\n## ")[0]
ROWS = [line for line in THREATS.splitlines() if line.startswith("| ") and "`tests/" in line]


def named(row: str) -> list[tuple[str, str]]:
    """File and test of each name; a name without a file is of the file before it."""
    found: list[tuple[str, str]] = []
    for file, test in re.findall(r"`(tests/[\w/]+\.py)?::(\w+)`", row):
        found.append((file or found[-1][0], test))
    return found


def test_the_table_is_read() -> None:
    assert len(ROWS) > 20


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:40])
def test_the_tests_of_each_threat_are_there(row: str) -> None:
    assert named(row)
    for file, test in named(row):
        assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), (file, test)
