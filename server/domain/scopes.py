"""What an API key may be used for. A person in a browser may do whatever is theirs, whatever these say."""

from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """One permission of a key.

    Attributes:
        meaning: in words, for pages and documents.
    """

    _value_: str
    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> "Scope":
        """A member is its word."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    CHAT = "chat", "open chats, ask and stop, and make contributions"
    READ = "read", "read chats, transactions and badges, and follow channels"
    ADMIN = "admin", "do what an admin may do, for as long as its owner is one"


DEFAULT_SCOPES: Final = (Scope.CHAT, Scope.READ)
