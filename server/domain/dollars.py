"""Money as people write it, and integer cents."""

import re
from typing import Final

from server.domain.errors import Code, Refusal

_AMOUNT: Final = re.compile(r"\$? ?([0-9]{1,9}|[0-9]{1,3}(?:,[0-9]{3}){1,2})(?:\.([0-9]{1,2}))?")


def dollars(cents: int) -> str:
    """Money for people, such as ``$4`` or ``$1,250.50``."""
    whole, rest = divmod(cents, 100)
    return f"${whole:,}" + (f".{rest:02}" if rest else "")


def cents_of(text: str) -> int:
    """The cents that somebody means who writes ``5``, ``$5``, ``12.5`` or ``1,250.50``.

    Raises:
        Refusal: bad_request: it is none of these; ``5,50`` might mean two things and is refused.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise Refusal(Code.BAD_REQUEST, "Write an amount in dollars, such as 5 or 12.50.")
    return int(found[1].replace(",", "")) * 100 + int((found[2] or "").ljust(2, "0"))
