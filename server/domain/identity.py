"""Who is asking: a visitor's session, a signed-in user's session, or an API key (which owns a session of its own)."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from server.domain.scopes import Scope
from server.domain.users import UserRole


class IdentityKind(StrEnum):
    """The spelling of `ready.who.kind` on the wire."""

    USER = "user"
    SESSION = "session"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking.

    Attributes:
        session_id: always set; an API key owns a session row of its own.
        user_id: None for a visitor, and for a key without an owner.
        key_id: None unless an API key speaks; keys are free of the visitor quota.
        name: the public name; None for a visitor without one.
        role: of the user, or of a key's owner, as it was when that was read; None for a visitor, and for a key without
            an owner.
        scopes: of a key; empty for everybody else, who need none.
    """

    session_id: UUID
    user_id: UUID | None = None
    key_id: UUID | None = None
    name: str | None = None
    role: UserRole | None = None
    scopes: frozenset[Scope] = frozenset()

    @property
    def kind(self) -> IdentityKind:
        """Which of the three kinds this is."""
        if self.key_id is not None:
            return IdentityKind.KEY
        return IdentityKind.SESSION if self.user_id is None else IdentityKind.USER

    @property
    def is_visitor(self) -> bool:
        """Whether the visitor quota applies."""
        return self.kind is IdentityKind.SESSION

    @property
    def is_admin(self) -> bool:
        """Whether this may do what only admins may: an admin, or a key of one that has the scope."""
        return self.role is UserRole.ADMIN and self.may(Scope.ADMIN)

    def may(self, scope: Scope) -> bool:
        """Whether a key has this scope; everybody else needs none."""
        return self.kind is not IdentityKind.KEY or scope in self.scopes

    def owns(self, user_id: UUID | None, session_id: UUID | None) -> bool:
        """Whether a row with these two owners is this caller's: a user's rows are theirs on every device, a visitor's
        rows belong to the session for as long as nobody claimed them."""
        if user_id is not None:
            return user_id == self.user_id
        return session_id == self.session_id
