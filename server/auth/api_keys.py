"""API keys: how programs say who they are. Each owns a session row of its own, to which its chats belong.

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
from server.storage.ids import new_id
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

KEY_BYTES: Final = 32
NAME_CODE_POINTS_MAX: Final = 80
LISTED_MAX: Final = 1_000
USE_NOTED_EVERY_SECONDS: Final = 60
"""`last_used_at` is as exact as this."""

_PREFIX: Final = "tl_"
_KEY: Final = re.compile(rf"{_PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)

_CREATE: Final = """
WITH owner AS (
    INSERT INTO session (id, expires_at) VALUES ($2, 'infinity') RETURNING id
)
INSERT INTO api_key (id, session_id, hash, name) SELECT $1, owner.id, $3, $4 FROM owner RETURNING *
"""
_LIST: Final = "SELECT * FROM api_key ORDER BY created_at DESC, id DESC LIMIT $1"
_FIND: Final = """
SELECT id, session_id, last_used_at IS NULL OR last_used_at < clock_timestamp() - $2::interval AS is_stale
  FROM api_key WHERE hash = $1 AND revoked_at IS NULL
"""
_NOTE_USE: Final = """
UPDATE api_key SET last_used_at = clock_timestamp()
 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - $2::interval)
"""
_REVOKE: Final = """
WITH revoked AS (
    UPDATE api_key SET revoked_at = COALESCE(revoked_at, clock_timestamp()) WHERE id = $1 RETURNING *
), ended AS (
    UPDATE session SET expires_at = LEAST(expires_at, clock_timestamp())
      FROM revoked WHERE session.id = revoked.session_id
)
SELECT * FROM revoked
"""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it can be shown.

    Attributes:
        revoked_at: None while it can be used.
        last_used_at: to the minute; None: never.
    """

    id: UUID
    session_id: UUID
    name: str
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class ApiKeys:
    """The keys in Postgres; each method raises the Refusal `unavailable` where it does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._noted_every = timedelta(seconds=USE_NOTED_EVERY_SECONDS)

    async def create(self, name: str) -> tuple[ApiKey, str]:
        """Make a key.

        Args:
            name: what it is for, 1 to 80 characters; names need not differ.

        Returns:
            The key as it can be shown, and the secret: hand it over now, it cannot be read again.

        Raises:
            Refusal: bad_request, the name is not right.
        """
        name = name.strip()
        if not 1 <= len(name) <= NAME_CODE_POINTS_MAX or not name.isprintable():
            raise Refusal(Code.BAD_REQUEST, f"A key needs a name of 1 to {NAME_CODE_POINTS_MAX} printable characters.")
        secret = _PREFIX + secrets.token_urlsafe(KEY_BYTES)
        with outages_refused():
            row = await self._postgres.pool.fetchrow(_CREATE, new_id(), new_id(), _hash(secret), name)
        assert row is not None
        return _key_of(row), secret

    async def list(self) -> Sequence[ApiKey]:
        """All keys, the newest first, up to `LISTED_MAX`; those that were revoked are among them."""
        with outages_refused():
            rows = await self._postgres.pool.fetch(_LIST, LISTED_MAX)
        return [_key_of(row) for row in rows]

    async def revoke(self, key_id: UUID) -> ApiKey | None:
        """End a key, for ever; once is as good as twice. None: there is no such key."""
        with outages_refused():
            row = await self._postgres.pool.fetchrow(_REVOKE, key_id)
        return None if row is None else _key_of(row)

    async def find(self, secret: str) -> Identity | None:
        """Who holds this key; None when nobody does, or it was revoked."""
        if _KEY.fullmatch(secret) is None:
            return None
        with outages_refused():
            row = await self._postgres.pool.fetchrow(_FIND, _hash(secret), self._noted_every)
            if row is None:
                return None
            if row["is_stale"]:
                await self._postgres.pool.execute(_NOTE_USE, row["id"], self._noted_every)
        return Identity(session_id=row["session_id"], key_id=row["id"])

    async def revoked_of(self, key_ids: Collection[UUID]) -> Collection[UUID]:
        """Those of them that cannot be used any more."""
        with outages_refused():
            rows = await self._postgres.pool.fetch(
                "SELECT id FROM api_key WHERE id = ANY($1) AND revoked_at IS NOT NULL", list(key_ids)
            )
        return [row["id"] for row in rows]


def _key_of(row: asyncpg.Record) -> ApiKey:
    return ApiKey(**{field.name: row[field.name] for field in fields(ApiKey)})


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
