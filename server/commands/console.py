"""What every command says, and how: results on the standard output, everything else on the error stream."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="One JSON value on the standard output, for programs.")]

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def table(*columns: str, folding: str) -> Table:
    """A table for a narrow terminal: `folding` is the column that gives way, the others stay whole to be copied."""
    made = Table(box=SIMPLE, pad_edge=False)
    for column in columns:
        made.add_column(column, no_wrap=column != folding, overflow="fold")
    return made


def print_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Writes one JSON value; ids and times as text."""
    out.out(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def fail(message: str, remedy: str = "") -> typer.Exit:
    """Tells what went wrong and what to do about it; the caller raises what this returns."""
    err.print(f"[bold red]✗[/] {escape(message)}")
    if remedy:
        err.print(f"  {escape(remedy)}")
    return typer.Exit(1)


def escape(text: str) -> str:
    """Text as it stands: what looks like rich's markup is none."""
    return text.replace("[", r"\[")
