"""Chooses which tests run, and hands over to pytest; see `scripts/test`."""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.chromium import find_chromium  # noqa: E402 - the root is known only now

WORKERS_MAX = 4
"""Each worker has a PostgreSQL and a Valkey of its own."""
WORKERS_BEYOND_CORES = 1
"""Many tests wait more than they compute: for a lease to end, for an outage to be noticed, for a browser."""
NO_BROWSER = "No Chromium here: the browser tests are left out. Install chromium, or name one with TALLYLIGHT_CHROMIUM."


def main() -> None:
    """Replaces this process by pytest."""
    parser = argparse.ArgumentParser(prog="scripts/test", description="What is not listed here goes to pytest.")
    parser.add_argument("--all", action="store_true", help="add the long tests and those in a browser")
    parser.add_argument("--require-browser", action="store_true", help="fail if there is no Chromium")
    options, rest = parser.parse_known_args()
    browser = find_chromium()
    if options.require_browser and browser is None:
        sys.exit("scripts/test --require-browser: no Chromium was found.")
    left_out = [] if options.all else ["long"]
    if browser is None or not (options.all or options.require_browser):
        left_out.append("browser")
    if browser is None:
        sys.stderr.write(NO_BROWSER + "\n")
    chosen = " and ".join(f"not {marker}" for marker in left_out)
    os.chdir(ROOT)
    count = min(WORKERS_MAX, (os.cpu_count() or 1) + WORKERS_BEYOND_CORES)
    workers = ["-n", str(count), "--dist", "loadfile", "--no-loadscope-reorder"]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", "-q", *workers, "-m", chosen, *rest])  # noqa: S606


if __name__ == "__main__":
    main()
