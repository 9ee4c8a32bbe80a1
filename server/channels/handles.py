"""The handle of a channel: its name in addresses, unique and in lower case."""

import re
from typing import Final
from uuid import UUID

from server.domain.errors import Code, Refusal

HANDLE_CHARACTERS_MAX: Final = 64

_HANDLE: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII)
_YOUTUBE_PREFIX: Final = re.compile(r"(?:https?://)?(?:www\.|m\.)?youtube\.com/", re.IGNORECASE)


def is_handle(text: str) -> bool:
    """Whether a channel may be called so. A UUID is no handle: addresses take a channel's id as well."""
    return _HANDLE.fullmatch(text) is not None and as_id(text) is None


def as_id(text: str) -> UUID | None:
    """The id that this text spells; None when it is none."""
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None


def handle_of(text: str) -> str:
    """Read a handle as people write it: ``@DeepSeaLab``, ``deep-sea-lab`` or ``https://www.youtube.com/@DeepSeaLab``.

    Raises:
        Refusal: bad_request, it is neither.
    """
    bare = _YOUTUBE_PREFIX.sub("", text.strip()).partition("?")[0].rstrip("/")
    handle = bare.removeprefix("@").lower()
    if not is_handle(handle):
        raise Refusal(
            Code.BAD_REQUEST,
            f"A handle has 1 to {HANDLE_CHARACTERS_MAX} letters a-z, digits, dots, hyphens or underscores, "
            "and begins and ends with a letter or digit.",
        )
    return handle
