"""Roles: who is an admin. The first one is made on the command line."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from server.domain.errors import Code, Refusal
from server.domain.users import UserRole
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

# A username is unique whatever its case, and looked up so.
_FIND: Final = 'SELECT id, role FROM "user" WHERE lower(username) = lower($1) AND deleted_at IS NULL FOR UPDATE'
_FIND_ID: Final = 'SELECT id FROM "user" WHERE lower(username) = lower($1) AND deleted_at IS NULL'
_SET: Final = 'UPDATE "user" SET role = $2 WHERE id = $1 RETURNING username'

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A user's role, and what it was before."""

    user_id: UUID
    username: str
    before: UserRole
    after: UserRole


async def set_role(postgres: Postgres, username: str, role: UserRole) -> RoleChange:
    """Give a user a role; it counts from the next request on. Doing it again changes nothing.

    Args:
        postgres: where the users are.
        username: in any case.
        role: ADMIN, or USER to take that back.

    Raises:
        Refusal: not_found, nobody has this username; unavailable.
    """
    if "\0" in username:
        raise _nobody(username)
    with outages_refused():
        async with postgres.pool.acquire() as conn, conn.transaction():
            found = await conn.fetchrow(_FIND, username)
            if found is None:
                raise _nobody(username)
            change = RoleChange(
                found["id"], await conn.fetchval(_SET, found["id"], role), UserRole(found["role"]), role
            )
    if change.before is not change.after:
        log.warning("role_changed", user=str(change.user_id), before=change.before.value, after=change.after.value)
    return change


async def find_user(postgres: Postgres, username: str) -> UUID:
    """The id of a user.

    Args:
        postgres: where the users are.
        username: in any case.

    Raises:
        Refusal: not_found, nobody has this username; unavailable.
    """
    if "\0" in username:
        raise _nobody(username)
    with outages_refused():
        found: UUID | None = await postgres.pool.fetchval(_FIND_ID, username)
    if found is None:
        raise _nobody(username)
    return found


def _nobody(username: str) -> Refusal:
    shown = username.replace("\0", "")
    return Refusal(Code.NOT_FOUND, f"There is no user {shown}. Usernames are chosen at the first sign-in.")
