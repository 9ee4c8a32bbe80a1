"""`tallylight doctor`: what works, what does not, and what to set."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict

import typer

from server.commands.console import Json, escape, out, print_json
from server.commands.examinations import Finding, examine
from server.commands.place import DataDir, data_dir_or_default, known_environment
from server.embedded.instance import find_instance

PART_COLUMNS = 12


def doctor(as_json: Json = False, data_dir: DataDir = None) -> None:
    """Try every part, and say what to do about those that do not work. Exit code 1 if there are any."""
    instance = find_instance(data_dir_or_default(data_dir))
    findings = asyncio.run(
        _examine(known_environment(data_dir), instance["address"] if instance else None, is_shown=not as_json)
    )
    if as_json:
        print_json([asdict(finding) for finding in findings])
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


async def _examine(environment: Mapping[str, str], address: str | None, *, is_shown: bool) -> list[Finding]:
    findings = []
    async for finding in examine(environment, address):
        findings.append(finding)
        if is_shown:
            _print(finding)
    return findings


def _print(finding: Finding) -> None:
    mark = "[green]✓[/]" if finding.ok else "[bold red]✗[/]"
    out.print(f"{mark} {finding.part:<{PART_COLUMNS}}{escape(finding.says)}")
    if finding.remedy:
        out.print(f"  {'':<{PART_COLUMNS}}{escape(finding.remedy)}")
