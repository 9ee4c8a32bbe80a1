"""The shapes that what a provider says must have before anything of it is kept."""

from typing import Annotated, Final, TypeAlias
from uuid import UUID

import msgspec

from server.domain.errors import Code, Refusal

_NAME: Final = r"^[\x21-\x7e]+\Z"

Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=_NAME)]
"""An id, a type or a reference of a provider's: printable ASCII without blanks, as every one of them is."""

Cents: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""An amount in the smallest unit of its currency."""

PartCents: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
"""An amount that went back: at least one cent."""

Currency: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{3}\Z")]
"""An ISO 4217 code."""


def no_event(error: Exception) -> Refusal:
    """The refusal of what was signed and is no event."""
    return Refusal(Code.BAD_REQUEST, f"This is no event that can be read: {error}.")


def as_id(text: str | None) -> UUID | None:
    """Our id, as a provider repeats it; None where it repeats none, or something else."""
    try:
        return UUID(text or "")
    except ValueError:
        return None
