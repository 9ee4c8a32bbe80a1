"""What users say about themselves: read and changed by them, and shown to everybody as far as they want it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from server.domain.errors import Code, Refusal
from server.domain.pictures import Picture
from server.domain.usernames import UsernameState, refused_state_of
from server.domain.users import UserRole
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

_COLUMNS: Final = """id, name, email, email_verified, username, display_name, image, picture, role, amounts_public,
    created_at"""
_OWN: Final = f'SELECT {_COLUMNS} FROM "user" WHERE id = $1 AND deleted_at IS NULL'  # noqa: S608 - a constant
_PUBLIC: Final = f"""
SELECT {_COLUMNS} FROM "user" WHERE lower(username) = lower($1) AND deleted_at IS NULL
"""  # noqa: S608 - a constant
_HOLDER: Final = 'SELECT id FROM "user" WHERE lower(username) = lower($1)'
_CHANGEABLE: Final = ("username", "display_name", "picture", "amounts_public")


@dataclass(frozen=True, slots=True)
class Profile:
    """A user as the user sees it.

    Attributes:
        name: as the provider told it; not shown to others.
        email: not shown to others; None: no provider told one.
        email_verified: when a provider vouched for it; None: none did.
        username: None: not chosen so far.
        display_name: what the profile says beside the username; None: nothing.
        image: address of the provider's picture, not shown to others; None: it has none.
        picture: what stands for the user on pages.
        amounts_public: whether others see what was given.
    """

    id: UUID
    name: str | None
    email: str | None
    email_verified: datetime | None
    username: str | None
    display_name: str | None
    image: str | None
    picture: Picture
    role: UserRole
    amounts_public: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """What is to change.

    Attributes:
        values: new values by the names of `Profile`: `username`, `display_name`, `picture`, `amounts_public`;
            checked but for whether the username is free. Nothing: nothing changes.
    """

    values: dict[str, Any] = field(default_factory=dict)


class Profiles:
    """The profiles in Postgres. Every method raises Refusal `unavailable`."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def own(self, user_id: UUID) -> Profile:
        """The profile of this user.

        Raises:
            Refusal: unauthorized, the account was deleted in this moment; unavailable.
        """
        with outages_refused():
            row = await self._postgres.pool.fetchrow(_OWN, user_id)
        return _profile_of(_expect(row))

    async def public(self, username: str) -> Profile | None:
        """The profile with this username, in any case; None: nobody has it."""
        if refused_state_of(username) is UsernameState.INVALID:
            return None
        with outages_refused():
            row = await self._postgres.pool.fetchrow(_PUBLIC, username)
        return None if row is None else _profile_of(row)

    async def state_of(self, username: str, user_id: UUID | None) -> UsernameState:
        """Whether this user may have this username; by the time they choose it, somebody else may.

        Args:
            username: as it was typed.
            user_id: who asks; None: somebody who has none so far.
        """
        refused = refused_state_of(username)
        if refused is not None:
            return refused
        with outages_refused():
            holder: UUID | None = await self._postgres.pool.fetchval(_HOLDER, username)
        if holder is None:
            return UsernameState.FREE
        return UsernameState.YOURS if holder == user_id else UsernameState.TAKEN

    async def change(self, user_id: UUID, change: ProfileChange) -> Profile:
        """Change a profile, all of it or nothing. Of two who choose one username at once, the first one has it.

        Raises:
            Refusal: conflict, somebody else has the username; unauthorized, the account was deleted; unavailable.
        """
        names = [name for name in _CHANGEABLE if name in change.values]
        if not names:
            return await self.own(user_id)
        settings = ", ".join(f"{name} = ${place}" for place, name in enumerate(names, 2))
        statement = f"""
            UPDATE "user" SET {settings} WHERE id = $1 AND deleted_at IS NULL RETURNING {_COLUMNS}
        """  # noqa: S608 - names of columns
        try:
            with outages_refused():
                row = await self._postgres.pool.fetchrow(statement, user_id, *(change.values[name] for name in names))
        except asyncpg.UniqueViolationError as error:
            raise Refusal(Code.CONFLICT, UsernameState.TAKEN.meaning) from error
        return _profile_of(_expect(row))


def checked_username(text: str) -> str:
    """The username, once it is known that somebody may have it.

    Raises:
        Refusal: bad_request, it is no username or a reserved word.
    """
    refused = refused_state_of(text)
    if refused is not None:
        raise Refusal(Code.BAD_REQUEST, refused.meaning)
    return text


def _expect(row: asyncpg.Record | None) -> asyncpg.Record:
    if row is None:
        raise Refusal(Code.UNAUTHORIZED, "This account was deleted.")
    return row


def _profile_of(row: asyncpg.Record) -> Profile:
    return Profile(**{**dict(row), "role": UserRole(row["role"]), "picture": Picture(row["picture"])})
