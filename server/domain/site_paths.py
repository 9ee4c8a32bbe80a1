"""Addresses within this site that a request names, such as where a form leads in the end."""

import re
from typing import Final

SITE_PATH_CHARACTERS_MAX: Final = 300

# One slash and then neither of the two that browsers take for the beginning of another host.
_SITE_PATH: Final = re.compile(r"/(?![/\\])[!-~]*", re.ASCII)


def site_path_of(text: str, default: str) -> str:
    """The path, with its query, if it is one of this site; else the default."""
    return (
        text if len(text) <= SITE_PATH_CHARACTERS_MAX and _SITE_PATH.fullmatch(text) and "\\" not in text else default
    )
