"""Whom contributions, chats and badges belong to."""

from dataclasses import dataclass
from typing import Self
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Giver:
    """A user, or a visitor's session for as long as nobody has claimed it: one of the two ids is set, never both."""

    user_id: UUID | None = None
    session_id: UUID | None = None

    def __post_init__(self) -> None:
        if (self.user_id is None) == (self.session_id is None):
            raise ValueError("A giver is a user or a session.")

    @classmethod
    def of(cls, user_id: UUID | None, session_id: UUID | None) -> Self:
        """Whom a row with these two owners belongs to: the user, where there is one.

        Raises:
            ValueError: nobody.
        """
        return cls(user_id=user_id) if user_id is not None else cls(session_id=session_id)

    @property
    def kind(self) -> str:
        """For the log: ``user`` or ``visitor``."""
        return "visitor" if self.user_id is None else "user"
