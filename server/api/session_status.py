"""Who is signed in, as the bar of every page says it, and as a page that stays open asks again.

A page carries two digests. `person` tells whose it is: a form that it sends says so (`WHOSE`), and is refused when
somebody else is signed in by then. `mark` changes with all that the bar shows: tabs compare it, so that a browser's
storage holds no name.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from server.domain.identity import Identity, IdentityKind
from server.domain.users import UserRole

WHOSE: Final = "whose"
"""The field of a form that tells which user its page was for; empty in the forms of visitors, who may sign in first."""
DIGEST_CHARACTERS: Final = 16


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """Who is signed in.

    Attributes:
        kind: a user, or a visitor's session; None: nobody, or not known.
        name: the username; None: a visitor, or not chosen so far.
        role: what the user may do; None: a visitor.
        person: a digest that is the same for as long as it is the same user, or the same visitor's session.
        mark: a digest of all of this.
    """

    kind: IdentityKind | None
    name: str | None
    role: UserRole | None
    person: str
    mark: str

    @property
    def whose(self) -> str:
        """What a form of this page says; empty for visitors: what they began counts for the user they become."""
        return self.person if self.kind is IdentityKind.USER else ""

    @property
    def is_admin(self) -> bool:
        """Whether the chip is shown."""
        return self.role is UserRole.ADMIN


NOBODY: Final = SessionStatus(None, None, None, "", "nobody")
"""The browser has no live session."""
UNKNOWN: Final = SessionStatus(None, None, None, "", "")
"""Not asked so far, of a page that could not: it has no mark, and asks for itself."""


def status_of(identity: Identity | None) -> SessionStatus:
    """The status of who asks; None: nobody."""
    if identity is None:
        return NOBODY
    person = _digest(identity.user_id or identity.session_id)
    mark = _digest(person, identity.name, identity.role)
    return SessionStatus(identity.kind, identity.name, identity.role, person, mark)


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()[:DIGEST_CHARACTERS]
