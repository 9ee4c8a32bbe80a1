"""API keys: how programs say who they are. Each owns a session row of its own, to which its chats belong, and belongs
to a user itself unless the command line made it for nobody.

A key is ``tl_`` and 256 random bits, shown once; the table holds its SHA-256. Every look-up asks Postgres, so a key
that is revoked is gone at once.
"""

import hashlib
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.scopes import DEFAULT_SCOPES, Scope
from server.domain.users import UserRole
from server.storage.ids import new_id
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres

KEY_BYTES: Final = 32
NAME_CODE_POINTS_MAX: Final = 80
LISTED_MAX: Final = 1_000
KEYS_OF_OWNER_MAX: Final = 25
"""Keys of one user that can be used."""
USE_NOTED_EVERY_SECONDS: Final = 60
"""`last_used_at` is as exact as this."""

_PREFIX: Final = "tl_"
_KEY: Final = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)

_CREATE: Final = """
WITH own AS (
    INSERT INTO session (id, user_id, expires_at) VALUES ($2, $5, 'infinity') RETURNING id
)
INSERT INTO api_key (id, session_id, hash, name, user_id, scopes)
SELECT $1, own.id, $3, $4, $5, $6 FROM own RETURNING *
"""
_OWNER: Final = 'SELECT role FROM "user" WHERE id = $1 AND deleted_at IS NULL FOR UPDATE'
_COUNT: Final = "SELECT count(*) FROM api_key WHERE user_id = $1 AND revoked_at IS NULL"
_WITH_OWNERS: Final = 'SELECT k.*, u.username AS owner FROM api_key k LEFT JOIN "user" u ON u.id = k.user_id'
_LIST: Final = f"{_WITH_OWNERS} ORDER BY k.created_at DESC, k.id DESC LIMIT $1"
_LIST_OF: Final = f"""
{_WITH_OWNERS} WHERE k.user_id = $2 AND k.revoked_at IS NULL ORDER BY k.created_at DESC, k.id DESC LIMIT $1
"""

_LIVE: Final = """
SELECT k.id, k.session_id, k.user_id, k.scopes, u.username, u.role,
       k.last_used_at IS NULL OR k.last_used_at < clock_timestamp() - $2::interval AS is_stale
  FROM api_key k LEFT JOIN "user" u ON u.id = k.user_id
 WHERE k.revoked_at IS NULL AND u.deleted_at IS NULL
"""
_FIND: Final = f"{_LIVE} AND k.hash = $1"
_READ: Final = f"{_LIVE} AND k.id = $1"
_ENDED: Final = """
SELECT k.id FROM api_key k LEFT JOIN "user" u ON u.id = k.user_id
 WHERE k.id = ANY($1) AND (k.revoked_at IS NOT NULL OR u.deleted_at IS NOT NULL)
"""
_NOTE_USE: Final = """
UPDATE api_key SET last_used_at = clock_timestamp()
 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - $2::interval)
"""
_REVOKE: Final = """
WITH revoked AS (
    UPDATE api_key SET revoked_at = COALESCE(revoked_at, clock_timestamp())
     WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2) RETURNING *
), ended AS (
    UPDATE session SET expires_at = LEAST(expires_at, clock_timestamp())
      FROM revoked WHERE session.id = revoked.session_id
)
SELECT k.*, u.username AS owner FROM revoked k LEFT JOIN "user" u ON u.id = k.user_id
"""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it can be shown.

    Attributes:
        owner: the username of whose it is; None: nobody's, or of somebody without one.
        scopes: what it may be used for.
        revoked_at: None while it can be used.
        last_used_at: to the minute; None: never.
    """

    id: UUID
    session_id: UUID
    name: str
    owner: str | None
    scopes: Sequence[Scope]
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class ApiKeys:
    """The keys in Postgres; each method raises the Refusal `unavailable` where it does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._noted_every = timedelta(seconds=USE_NOTED_EVERY_SECONDS)

    async def create(
        self,
        name: str,
        scopes: Sequence[Scope] = DEFAULT_SCOPES,
        *,
        owner_id: UUID | None = None,
        key_id: UUID | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key.

        Args:
            name: what it is for, 1 to 80 characters; names need not differ.
            scopes: what it may be used for, one at least.
            owner_id: whose it is; None: nobody's.
            key_id: its id, made by the caller, so that the same key is not made twice; None: a new one.

        Returns:
            The key as it can be shown, and the secret: hand it over now, it cannot be read again.

        Raises:
            Refusal: bad_request, the name or the scopes are not right; forbidden, an admin's key for who is none;
                conflict, this key was made already, or its owner has too many; not_found, there is no such owner.
        """
        name = name.strip()
        if not 1 <= len(name) <= NAME_CODE_POINTS_MAX or not name.isprintable():
            raise Refusal(Code.BAD_REQUEST, f"A key needs a name of 1 to {NAME_CODE_POINTS_MAX} printable characters.")
        if not scopes:
            raise Refusal(Code.BAD_REQUEST, "A key needs one scope at least.")
        secret, own_id, session_id = _PREFIX + secrets.token_urlsafe(KEY_BYTES), key_id or new_id(), new_id()
        words = [scope.value for scope in Scope if scope in scopes]

        async def work(conn: Connection) -> asyncpg.Record:
            await _expect_owner(conn, owner_id, scopes)
            row = await conn.fetchrow(_CREATE, own_id, session_id, _hash(secret), name, owner_id, words)
            assert row is not None
            return row

        with outages_refused():
            try:
                await self._postgres.transact(work)
            except asyncpg.UniqueViolationError as error:
                raise Refusal(Code.CONFLICT, "This key was made already; it was shown then.") from error
            row = await self._postgres.pool.fetchrow(f"{_WITH_OWNERS} WHERE k.id = $1", own_id)
        assert row is not None
        return _key_of(row), secret

    async def list(self) -> Sequence[ApiKey]:
        """All keys, the newest first, up to `LISTED_MAX`; those that were revoked are among them."""
        with outages_refused():
            rows = await self._postgres.pool.fetch(_LIST, LISTED_MAX)
        return [_key_of(row) for row in rows]

    async def list_of(self, owner_id: UUID) -> Sequence[ApiKey]:
        """The keys of this user that can be used, the newest first."""
        with outages_refused():
            rows = await self._postgres.pool.fetch(_LIST_OF, LISTED_MAX, owner_id)
        return [_key_of(row) for row in rows]

    async def revoke(self, key_id: UUID, *, owner_id: UUID | None = None) -> ApiKey | None:
        """End a key, for ever; once is as good as twice.

        Args:
            key_id: which.
            owner_id: only if it is this user's; None: whosever it is.

        Returns:
            The key; None: there is no such key.
        """
        with outages_refused():
            row = await self._postgres.pool.fetchrow(_REVOKE, key_id, owner_id)
        return None if row is None else _key_of(row)

    async def find(self, secret: str) -> Identity | None:
        """Who holds this key; None when nobody does, it was revoked, or its owner is gone."""
        if _KEY.fullmatch(secret) is None:
            return None
        with outages_refused():
            row = await self._postgres.pool.fetchrow(_FIND, _hash(secret), self._noted_every)
            if row is None:
                return None
            if row["is_stale"]:
                await self._postgres.pool.execute(_NOTE_USE, row["id"], self._noted_every)
        return _identity_of(row)

    async def read(self, key_id: UUID) -> Identity | None:
        """Who holds the key with this id; None as `find`."""
        with outages_refused():
            row = await self._postgres.pool.fetchrow(_READ, key_id, self._noted_every)
        return None if row is None else _identity_of(row)

    async def revoked_of(self, key_ids: Collection[UUID]) -> Collection[UUID]:
        """Those of them that cannot be used any more."""
        with outages_refused():
            rows = await self._postgres.pool.fetch(_ENDED, list(key_ids))
        return [row["id"] for row in rows]


async def _expect_owner(conn: Connection, owner_id: UUID | None, scopes: Collection[Scope]) -> None:
    """Hold the owner's row, so that two keys at once do not become one too many."""
    role = None
    if owner_id is not None:
        role = await conn.fetchval(_OWNER, owner_id)
        if role is None:
            raise Refusal(Code.NOT_FOUND, "There is no such user.")
        if await conn.fetchval(_COUNT, owner_id) >= KEYS_OF_OWNER_MAX:
            raise Refusal(Code.CONFLICT, f"You have {KEYS_OF_OWNER_MAX} keys. Revoke one first.")
    if Scope.ADMIN in scopes and role != UserRole.ADMIN:
        raise Refusal(Code.FORBIDDEN, "Only an admin may own a key of an admin.")


def _identity_of(row: asyncpg.Record) -> Identity:
    return Identity(
        session_id=row["session_id"],
        user_id=row["user_id"],
        key_id=row["id"],
        name=row["username"],
        role=None if row["role"] is None else UserRole(row["role"]),
        scopes=frozenset(Scope(word) for word in row["scopes"]),
    )


def _key_of(row: asyncpg.Record) -> ApiKey:
    shown = {field.name: row[field.name] for field in fields(ApiKey)}
    return ApiKey(**{**shown, "scopes": [Scope(word) for word in row["scopes"]]})


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
