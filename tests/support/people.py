"""Users who are signed in, through the function that every way of signing in calls."""

from dataclasses import dataclass
from uuid import UUID

from server.auth.cookies import LOOPBACK_NAME
from server.auth.sessions import SessionLimits, Sessions
from server.domain.identity import Identity
from server.domain.users import UserRole
from server.storage.postgres import Postgres
from tests.support.rows import Rows


@dataclass(frozen=True, slots=True)
class Person:
    """A user with a live session.

    Attributes:
        token: of the session, as the cookie holds it.
    """

    user_id: UUID
    username: str
    identity: Identity
    token: str

    @property
    def session_id(self) -> UUID:
        return self.identity.session_id

    @property
    def cookies(self) -> dict[str, str]:
        """What this person's browser sends to a server on plain http at a loopback address."""
        return {LOOPBACK_NAME: self.token}


async def signed_in(
    postgres: Postgres, username: str, role: UserRole = UserRole.USER, *, visitor: Identity | None = None
) -> Person:
    """A new user of that role, signed in.

    Args:
        visitor: whose live session becomes the user's; None: a fresh one begins.
    """
    user_id = await Rows(postgres).user(username)
    if role is not UserRole.USER:
        await postgres.pool.execute('UPDATE "user" SET role = $2 WHERE id = $1', user_id, role)
    return await sign_in_again(postgres, user_id, username, visitor=visitor)


async def sign_in_again(postgres: Postgres, user_id: UUID, username: str, *, visitor: Identity | None = None) -> Person:
    """A user who is there already, signed in, on another device unless it is this visitor's."""
    session_id = None if visitor is None else visitor.session_id
    done = await Sessions(postgres, SessionLimits()).sign_in(session_id, user_id)
    return Person(user_id, username, done.identity, done.token)
