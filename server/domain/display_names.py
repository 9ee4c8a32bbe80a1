"""How somebody who is not signed in wants to be called."""

import re
from typing import Final

from server.domain.errors import Code, Refusal

DISPLAY_NAME_CHARACTERS_MAX: Final = 40
DISPLAY_NAME_PATTERN: Final = r"^[^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*$"
"""No control characters, no line ends, and nothing that turns the direction of what stands beside the name."""

_FITTING: Final = re.compile(DISPLAY_NAME_PATTERN.removesuffix("$"))
_INVISIBLE: Final = re.compile(r"[\s\u00ad\u115f\u1160\u180e\u200b-\u200f\u2060-\u2064\u3164\ufeff\uffa0]*")


def display_name_of(text: str | None) -> str | None:
    """The name that is shown: without space around it; None, an anonymous supporter, when nothing of it can be seen.

    Raises:
        Refusal: `bad_request`: too long, or with control characters.
    """
    name = (text or "").strip(" ")
    if _FITTING.fullmatch(name) is None:
        raise Refusal(Code.BAD_REQUEST, "A display name may not have control characters.")
    name = name.strip()
    if len(name) > DISPLAY_NAME_CHARACTERS_MAX:
        raise Refusal(Code.BAD_REQUEST, f"A display name has at most {DISPLAY_NAME_CHARACTERS_MAX} characters.")
    return None if _INVISIBLE.fullmatch(name) else name
