"""The Chromium of the browser tests: whatever this machine has."""

import os
import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLAYWRIGHT_PATTERNS = ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/Chromium.app/Contents/MacOS/Chromium")


def find_chromium() -> Path | None:
    """The program that TALLYLIGHT_CHROMIUM names, else one on the PATH, else the newest that Playwright installed for
    this user; None if there is none."""
    if named := os.environ.get("TALLYLIGHT_CHROMIUM"):
        return Path(named)
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    installed = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    for pattern in PLAYWRIGHT_PATTERNS:
        if programs := sorted(installed.glob(pattern)):
            return programs[-1]
    return None
