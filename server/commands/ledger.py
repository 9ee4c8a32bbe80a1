"""`tallylight ledger`: whether the money is right."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from server.commands.console import Json, err, escape, out, print_json, table
from server.commands.place import DataDir, open_postgres, open_redis

if TYPE_CHECKING:
    from server.ledger.audit import Report

commands = typer.Typer(help="The ledger.", no_args_is_help=True)


@commands.callback()
def group() -> None:
    """The ledger."""


@commands.command()
def check(as_json: Json = False, data_dir: DataDir = None) -> None:
    """Derive every balance anew and name what is off; a running server is not disturbed. Exit code 1 if anything is."""
    report = asyncio.run(_check(data_dir))
    if as_json:
        print_json(_facts(report))
    else:
        _print(report)
    if not report.is_clean:
        raise typer.Exit(1)


async def _check(data_dir: Path | None) -> "Report":
    from server.ledger.audit import check as check_ledger

    async with open_postgres(data_dir) as postgres, open_redis(data_dir) as redis:
        return await check_ledger(postgres, redis)


def _facts(report: "Report") -> Mapping[str, Any]:
    return {
        "isClean": report.is_clean,
        "isCut": report.is_cut,
        "channels": report.channels,
        "entries": report.entries,
        "chats": report.chats,
        "contributions": report.contributions,
        "findings": [asdict(finding) for finding in report.findings],
        "differences": None if report.differences is None else [asdict(each) for each in report.differences],
    }


def _print(report: "Report") -> None:
    looked_at = (
        f"{report.channels:,} channels, {report.entries:,} ledger entries, {report.chats:,} chats, "
        f"{report.contributions:,} contributions"
    )
    if report.is_clean:
        out.print(f"The ledger is right: {looked_at}.")
    else:
        rows = table("Rule", "Row", "Problem", folding="Problem")
        for finding in report.findings:
            rows.add_row(finding.invariant, escape(finding.subject), escape(finding.problem))
        out.print(rows)
        out.print(f"{len(report.findings):,} rows are off{', and more' if report.is_cut else ''}; {looked_at}.")
    if report.differences is None:
        err.print("Redis did not answer; its copies of the balances were not looked at.")
    for difference in report.differences or ():
        err.print(escape(f"{difference.subject}: {difference.problem}; it is put right within seconds."))
