"""Usernames: public, chosen by the user, shown as they were typed and unique whatever their case."""

import re
from enum import StrEnum
from typing import Final

USERNAME_CHARACTERS_MIN: Final = 3
USERNAME_CHARACTERS_MAX: Final = 30
USERNAME_PATTERN: Final = f"^[A-Za-z0-9][A-Za-z0-9_-]{{{USERNAME_CHARACTERS_MIN - 1},{USERNAME_CHARACTERS_MAX - 1}}}$"
"""ASCII alone: no two usernames may look the same but for their case."""

RESERVED: Final = frozenset(
    [
        "admin",
        "administrator",
        "administration",
        "anonymous",
        "anonymoussupporter",
        "api",
        "badges",
        "bot",
        "channel",
        "channels",
        "deleted",
        "deleteduser",
        "everyone",
        "fan",
        "fans",
        "guest",
        "help",
        "me",
        "mod",
        "moderator",
        "nobody",
        "none",
        "null",
        "official",
        "operator",
        "owner",
        "root",
        "security",
        "settings",
        "signin",
        "signout",
        "site",
        "staff",
        "station",
        "support",
        "supporter",
        "system",
        "tallylight",
        "undefined",
        "user",
        "users",
        "visitor",
        "welcome",
        "you",
    ]
)
"""What would be taken for the site itself, for everybody or for nobody; hyphens and underscores do not make another
word of one."""

_FITTING: Final = re.compile(USERNAME_PATTERN.removesuffix("$"), re.ASCII)


class UsernameState(StrEnum):
    """Whether somebody may have a username.

    Attributes:
        meaning: in a sentence, for people.
    """

    _value_: str
    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> "UsernameState":
        """A member is its word."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    FREE = "free", "This username is free."
    YOURS = "yours", "This is your username."
    TAKEN = "taken", "Somebody else has this username."
    RESERVED = "reserved", "This word is not for people."
    INVALID = (
        "invalid",
        (
            f"A username has {USERNAME_CHARACTERS_MIN} to {USERNAME_CHARACTERS_MAX} letters from a to z, digits,"
            " hyphens and underscores, and begins with a letter or a digit."
        ),
    )

    @property
    def may_be_taken(self) -> bool:
        """Whether the one who asks may have it."""
        return self in {UsernameState.FREE, UsernameState.YOURS}


def refused_state_of(text: str) -> UsernameState | None:
    """Why nobody may have this username: INVALID or RESERVED; None: whoever comes first may."""
    if _FITTING.fullmatch(text) is None:
        return UsernameState.INVALID
    return UsernameState.RESERVED if re.sub("[_-]", "", text).lower() in RESERVED else None
