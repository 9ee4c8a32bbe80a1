"""Asks whether a version that we lock has a known vulnerability; see `scripts/check`.

It needs an advisory database, which a machine without a network does not reach. Then nothing is known, and it says so
instead of failing: whether a checkout is good must not hang on another server.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("dev.lock", "model.lock")
"""`dev.lock` holds what `run.lock` and `serve.lock` do."""
PATIENCE_SECONDS = 120
NOT_REACHED = "Not audited: no advisory database answered."


@dataclass(frozen=True)
class Verdict:
    """What is known of the locked versions.

    Attributes:
        vulnerable: a line for each advisory: package, version, identifier and the versions that mend it.
        unknown: packages that the database does not know.
        audited: how many packages it knows.
    """

    vulnerable: tuple[str, ...]
    unknown: tuple[str, ...]
    audited: int


def verdict_of(report: dict[str, Any]) -> Verdict:
    """Reads a report of `pip-audit --format json`, version 2.

    Raises:
        KeyError: it is no such report.
    """
    dependencies = report["dependencies"]
    vulnerable = [
        f"{dependency['name']} {dependency['version']}: {advisory['id']},"
        f" mended in {', '.join(advisory['fix_versions']) or 'no version yet'}"
        for dependency in dependencies
        for advisory in dependency.get("vulns", ())
    ]
    unknown = tuple(dependency["name"] for dependency in dependencies if "skip_reason" in dependency)
    return Verdict(tuple(vulnerable), unknown, len(dependencies) - len(unknown))


def _report_on(lock: Path) -> dict[str, Any] | None:
    """pip-audit's report on a lock; None when it reached no database."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.stdout.startswith("{"):
        report: dict[str, Any] = json.loads(done.stdout)
        return report
    if "ConnectionError" in done.stderr or "ConnectTimeout" in done.stderr or "ServiceError" in done.stderr:
        return None
    sys.exit(f"pip-audit could not read {lock.name}:\n{done.stderr}")


def main() -> None:
    """Exits with 1 when a locked version is vulnerable."""
    is_bad = False
    for name in LOCKS:
        report = _report_on(ROOT / "requirements" / name)
        verdict = verdict_of(report) if report else None
        if verdict is None or not verdict.audited:
            sys.stdout.write(f"  {name}: {NOT_REACHED}\n")
            continue
        if verdict.unknown:
            sys.stdout.write(f"  {name}: the database does not know {', '.join(verdict.unknown)}\n")
        for line in verdict.vulnerable:
            sys.stdout.write(f"  {name}: {line}\n")
        is_bad = is_bad or bool(verdict.vulnerable)
    sys.exit(int(is_bad))


if __name__ == "__main__":
    main()
