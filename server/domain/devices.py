"""What a browser calls itself, in words that people know their devices by."""

import re
from typing import Final

DEVICE_CHARACTERS_MAX: Final = 40
"""A longer name is cut off."""
USER_AGENT_CHARACTERS_MAX: Final = 1_000
"""No more of the header is looked at."""

_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""Most of them also name those they resemble, which come later."""
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_PROGRAM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]*", re.ASCII)


def device_of(user_agent: str | None) -> str | None:
    """A short name, such as ``Firefox on Windows``; None: nothing that could be shown.

    Args:
        user_agent: the header of that name (RFC 9110, section 10.1.5), made by whoever sends it.
    """
    text = (user_agent or "")[:USER_AGENT_CHARACTERS_MAX]
    browser, system = _first(_BROWSERS, text), _first(_SYSTEMS, text)
    if browser is not None:
        return browser if system is None else f"{browser} on {system}"
    program = _PROGRAM.match(text)
    return None if program is None else program.group()[:DEVICE_CHARACTERS_MAX].strip()


def _first(names: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for mark, name in names if mark in text), None)
