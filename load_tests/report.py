"""The figures of a command, for people (a table and a picture) and for programs (JSON), with how they were made."""

import dataclasses
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from load_tests import machine
from load_tests.curves import draw
from load_tests.figures import Run
from load_tests.stage import ROOT

RESULTS: Final = ROOT / "results"


def origin() -> Mapping[str, str]:
    """Where the figures of this command come from: machine, commit, command, time."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", "server", "load_tests", "client"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        **machine.describe(),
        "commit": commit.stdout.strip() + (" and changes" if changed.stdout.strip() else ""),
        "command": shlex.join(["python", "-m", "load_tests", *sys.argv[1:]]),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def progress(run: Run) -> str:
    """A line for who waits."""
    delays = f"p50 {run.delays.at_ms[50.0]:.2f} ms, p99 {run.delays.at_ms[99.0]:.2f} ms" if run.delays.count else ""
    figures = [f"{name.replace('_', ' ')} {value:.1f}" for name, value in run.figures.items()]
    remarks = [*run.load.flags, *(["FAULTS"] if run.faults else [])]
    return f"{run.scenario}, {run.server} {run.size}, round {run.round}: {', '.join([delays, *figures, *remarks])}"


def show(runs: Sequence[Run], source: Mapping[str, str], console: Console) -> None:
    """Print the figures of these runs, and what was wrong with them."""
    console.print(*(f"{name}: {value}" for name, value in source.items()), sep="\n", highlight=False)
    for scenario in dict.fromkeys(run.scenario for run in runs):
        console.print(_table(scenario, [run for run in runs if run.scenario == scenario]))
    for run in runs:
        for fault in run.faults:
            console.print(f"[red]{run.scenario}, {run.server}, {run.size}:[/red] {fault}", highlight=False)


def save(runs: Sequence[Run], source: Mapping[str, str], folder: Path) -> Sequence[Path]:
    """Write the figures as JSON, and the delays as a picture; returns the files."""
    base = folder / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    written = [base.with_suffix(".json")]
    told = {"source": source, "runs": [dataclasses.asdict(run) | {"flags": run.load.flags} for run in runs]}
    written[0].write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")
    for number, scenario in enumerate(dict.fromkeys(run.scenario for run in runs if run.delays.count), start=1):
        path = base.with_name(f"{base.name}-{number}.svg")
        path.write_text(draw(f"{scenario}: added delay", [run for run in runs if run.scenario == scenario], source))
        written.append(path)
    return written


def _table(scenario: str, runs: Sequence[Run]) -> Table:
    """One row a run: what was measured, then the shares of a core that everybody had meanwhile."""
    extra = list(dict.fromkeys(name for run in runs for name in run.figures))
    groups = list(runs[0].load.cpu_seconds)
    table = Table(title=scenario, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0), collapse_padding=True)
    numbers = ["p50 ms", "p99 ms", "max ms", *extra, *groups, "steal", "foreign", "bench"]
    for name in ["server", "size", "round", *numbers, "flags"]:
        table.add_column(name.replace("_", " "), justify="right" if name in numbers else "left")
    for run in runs:
        delays = [f"{run.delays.at_ms[percent]:.2f}" if run.delays.count else "–" for percent in (50.0, 99.0, 100.0)]
        figures = [f"{run.figures[name]:.1f}" for name in extra]
        used = [run.load.cpu_seconds[group] / run.load.seconds for group in groups]
        shares = [f"{share:.0%}" for share in (*used, run.load.steal, run.load.foreign, run.load.bench_busy)]
        flags = ", ".join([*run.load.flags, *(["FAULTS"] if run.faults else [])])
        table.add_row(run.server, str(run.size), str(run.round), *delays, *figures, *shares, flags)
    return table
