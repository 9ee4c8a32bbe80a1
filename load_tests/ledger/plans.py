"""The figures and the plans of a measurement, for people: a table on the console, and a page of Markdown."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from load_tests.ledger.measuring import Timing

SHOWN: Final = (
    ("no filter, -createdAt", "middle"),
    ("no filter, -amount", "middle"),
    ("1 day, amount", "middle"),
    ("purchases of 30 days, amount", "first"),
    ("1 year, createdAt", "middle"),
    ("own transactions, -amount", "the greatest"),
    ("own contributions by channel", "the greatest"),
    ("contributors of the channel", "first"),
)
"""Whose plans the page shows."""
HEAD: Final = ("list", "place", "reads", "db p50 ms", "db p99 ms", "client p50 ms", "client p99 ms", "8 KiB pages")
_COST: Final = re.compile(r"\(cost=[^)]*\) ")
_PLAN: Final = re.compile(r"plan:\n(?:Query Text: )?.*?\n(?=\S[^\n]*\(cost=)", re.DOTALL)
_NOISE: Final = ("Index Searches: 1", "Heap Fetches: 0", "Sort Method", "Batches:")


def show(timings: Sequence[Timing], console: Console) -> None:
    """Print the figures."""
    table = Table(*HEAD, box=box.SIMPLE, title="A page of 50 with its totals; in the database, and for who waits")
    for timing in timings:
        table.add_row(*_figures(timing))
    console.print(table)


def save(timings: Sequence[Timing], source: Mapping[str, str], path: Path) -> None:
    """Write the page."""
    lines = [
        "# Plans of the lists of money",
        "",
        "Made by `scripts/load ledger --plans`; do not edit. Times in the database are those of `auto_explain`, all",
        "statements of one page with its totals together, without planning (1 to 2 ms on such a machine, part of what",
        "the client sees). The client is SQLAlchemy Core on asyncpg, in one process beside the database.",
        "",
        *(f"- {name}: {value}" for name, value in source.items()),
        "",
        "| " + " | ".join(HEAD) + " |",
        "|" + "---|" * len(HEAD),
        *("| " + " | ".join(_figures(timing)) + " |" for timing in timings),
    ]
    for timing in timings:
        if (timing.group, timing.name) in SHOWN:
            lines += ["", f"## {timing.group}: {timing.name}", "", "The slowest read.", "", "```"]
            lines += [*_trimmed(timing.slowest_plan), "```"]
    path.write_text("\n".join(lines) + "\n")


def _figures(timing: Timing) -> list[str]:
    database, client = timing.database.at_ms, timing.client.at_ms
    times = [f"{spread[percent]:.2f}" for spread in (database, client) for percent in (50.0, 99.0)]
    return [timing.group, timing.name, str(timing.database.count), *times, f"{timing.buffers_max:,}"]


def _trimmed(plan: str) -> list[str]:
    """Without the query, the estimates, and what every plan says."""
    lines = _COST.sub("", _PLAN.sub("\n", plan)).splitlines()
    return [line.rstrip() for line in lines if line.strip() and not line.strip().startswith(_NOISE)]
