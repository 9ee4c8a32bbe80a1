"""`python -m load_tests ledger`: the command."""

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from load_tests import report
from load_tests.ledger import plans
from load_tests.ledger.place import YEARS_MAX, measured_years
from load_tests.ledger.years import Years

console: Final = Console(width=max(180, Console().width))


def ledger(
    *,
    transactions: Annotated[int, typer.Option(min=10_000, max=YEARS_MAX, help="How many there are.")] = 5_000_000,
    folder: Annotated[
        Path | None, typer.Option(file_okay=False, help="Where the rows stay, to be measured again; else nowhere.")
    ] = None,
    only_fill: Annotated[bool, typer.Option(help="Make the rows in the folder, and measure another time.")] = False,
    plans_page: Annotated[
        Path | None, typer.Option("--plans", dir_okay=False, help="A page of Markdown to write figures and plans to.")
    ] = None,
) -> None:
    """Lists of transactions at the size of years: what a page costs, at any depth and with any filter."""
    source = report.origin()
    years = Years(transactions, of_first=transactions * 2 // 5, channels=2_000, givers=max(100, transactions // 25))

    def told(what: str) -> None:
        console.print(what, highlight=False)

    timings = measured_years(years, folder, told, only_fill=only_fill)
    console.print(*(f"{name}: {value}" for name, value in source.items()), sep="\n", highlight=False)
    if timings:
        plans.show(timings, console)
    if timings and plans_page is not None:
        plans.save(timings, {**source, "rows": f"{transactions:,} transactions, 2 of 5 on one channel"}, plans_page)
