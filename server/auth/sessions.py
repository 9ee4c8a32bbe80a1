"""Sessions: who holds a token. A visitor has one too, without a user, until the visitor signs in.

The token is 256 random bits and known to the browser alone; the table holds its SHA-256. Every look-up asks Postgres
(one index probe), so a session that is revoked is gone at once. The clock is Postgres's.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg

from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.users import UserRole
from server.ledger.claims import ClaimOutcome, Moved, claim
from server.storage.ids import new_id
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres

TOKEN_BYTES: Final = 32
SIGN_IN_SECONDS: Final = 60
"""For so long after a sign-in the tabs of one browser may still bring what it replaced, or sign in themselves."""
_AT_ONCE: Final = timedelta(seconds=SIGN_IN_SECONDS)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

_LIVE: Final = """
SELECT s.id, s.user_id, CASE WHEN u.deleted_at IS NULL THEN u.role END AS role,
       CASE WHEN s.user_id IS NULL THEN s.display_name ELSE u.username END AS name,
       s.last_seen_at < clock_timestamp() - $2::interval AS stale
  FROM session s LEFT JOIN "user" u ON u.id = s.user_id
 WHERE s.token_hash IS NOT NULL AND s.expires_at > clock_timestamp()
"""
_FIND: Final = f"""{_LIVE} AND s.token_hash = $1
   AND s.embed_channel_id IS NOT DISTINCT FROM $3::uuid AND s.embed_origin IS NOT DISTINCT FROM $4::text"""
_READ: Final = f"{_LIVE} AND s.id = $1"

_LOCK: Final = """
SELECT coalesce(signed_in_at > clock_timestamp() - $2::interval, false) AS has_just_signed_in FROM session
 WHERE id = $1 AND token_hash IS NOT NULL AND expires_at > clock_timestamp() FOR UPDATE
"""
_BEGIN: Final = """
INSERT INTO session (id, user_id, token_hash, expires_at, device, embed_channel_id, embed_origin, signed_in_at)
VALUES ($1, $2, $3, clock_timestamp() + $4::interval, $5, $6, $7, clock_timestamp())
"""
_ROTATE: Final = """
UPDATE session
   SET user_id = $2, token_hash = $3, former_hash = token_hash, last_seen_at = clock_timestamp(),
       signed_in_at = clock_timestamp(), device = coalesce($5, device),
       expires_at = clock_timestamp() + $4::interval
 WHERE id = $1 AND (user_id IS NULL OR user_id = $2)
"""
_IS_THERE: Final = "SELECT true FROM session WHERE token_hash = $1"
_IS_FORMER: Final = (
    "SELECT true FROM session WHERE former_hash = $1 AND signed_in_at > clock_timestamp() - $2::interval"
)
_BEGIN_VISITOR: Final = """
INSERT INTO session (id, token_hash, expires_at, device, embed_channel_id, embed_origin)
VALUES ($1, $2, clock_timestamp() + $3::interval, $4, $5, $6)
"""
_RENEW: Final = """
UPDATE session
   SET last_seen_at = clock_timestamp(),
       expires_at = LEAST(clock_timestamp() + $3::interval, coalesce(signed_in_at, created_at) + $4::interval)
 WHERE id = $1 AND token_hash IS NOT NULL AND last_seen_at < clock_timestamp() - $2::interval
"""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long a session lives.

    Attributes:
        idle_seconds: without a request; 60 days.
        absolute_seconds: whatever is asked with it, from its beginning or from when its user last signed in; at least
            `idle_seconds`; 365 days, less than browsers keep a cookie.
        renewal_seconds: the idle time begins anew at most this often; 5 minutes.
    """

    idle_seconds: int = 60 * 86_400
    absolute_seconds: int = 365 * 86_400
    renewal_seconds: int = 300


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a session without a cookie belongs: its token is nothing anywhere else, nor is a cookie's token there.

    Attributes:
        channel_id: whose chat is shown on another site.
        origin: of the requests that bring the token: our own for a frame, the other site's for a script in its page.
    """

    channel_id: UUID
    origin: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a sign-in made of a session.

    Attributes:
        identity: the user, in the session that goes on or in a fresh one.
        token: the new one: hand it to the browser, it cannot be read again. The old one is worth nothing any more.
        is_fresh: whether a session was begun, because there was none, or it belongs to somebody else, or another tab
            has signed in with it less than ``SIGN_IN_SECONDS`` ago.
        moved: what became the user's, for the page to say; None: there was no live session.
    """

    identity: Identity
    token: str
    is_fresh: bool
    moved: Moved | None


class Sessions:
    """The sessions in Postgres."""

    def __init__(self, postgres: Postgres, limits: SessionLimits) -> None:
        self.limits = limits
        self._postgres = postgres
        self._idle = timedelta(seconds=limits.idle_seconds)
        self._absolute = timedelta(seconds=limits.absolute_seconds)
        self._renewal = timedelta(seconds=limits.renewal_seconds)

    async def find(self, token: str | None, frame: Frame | None = None) -> Identity | None:
        """Who holds this token; None when there is no token, or no live session has it.

        A session that is found lives on: its idle time begins anew.

        Args:
            token: as it came.
            frame: where it came from; None: in the cookie.

        Raises:
            Refusal: unavailable.
        """
        if token is None or _TOKEN.fullmatch(token) is None:
            return None
        with outages_refused():
            row = await self._postgres.pool.fetchrow(_FIND, _hash(token), self._renewal, *_columns_of(frame))
            if row is None:
                return None
            if row["stale"]:
                await self._renew(row["id"])
        return identity_of(row)

    async def read(self, session_id: UUID) -> Identity | None:
        """Who holds the token of this session; None when it has ended.

        Raises:
            Refusal: unavailable.
        """
        with outages_refused():
            row = await self._postgres.pool.fetchrow(_READ, session_id, self._renewal)
        return None if row is None else identity_of(row)

    async def create_visitor(self, device: str | None = None, *, frame: Frame | None = None) -> tuple[Identity, str]:
        """Begin a visitor's session.

        Args:
            device: a short name of the browser; None: it is not known.
            frame: where its token will come from; None: from a cookie.

        Returns:
            The visitor, and the token: hand it to the browser, it cannot be read again.

        Raises:
            Refusal: unavailable.
        """
        token, session_id = secrets.token_urlsafe(TOKEN_BYTES), new_id()
        with outages_refused():
            await self._postgres.pool.execute(
                _BEGIN_VISITOR, session_id, _hash(token), self._idle, device, *_columns_of(frame)
            )
        return Identity(session_id=session_id), token

    async def is_former(self, token: str | None) -> bool:
        """Whether a sign-in has just replaced this token, which opens nothing any more: a page that was asked for with
        it begins no session, whose cookie would take the place of the new one.

        Raises:
            Refusal: unavailable.
        """
        if token is None or _TOKEN.fullmatch(token) is None:
            return False
        with outages_refused():
            return bool(await self._postgres.pool.fetchval(_IS_FORMER, _hash(token), _AT_ONCE))

    async def sign_in(
        self, session_id: UUID | None, user_id: UUID, *, device: str | None = None, frame: Frame | None = None
    ) -> SignIn:
        """Give the session of a visitor to the user who has just proven who they are, and rotate its token.

        One transaction, under the session's lock: a session is claimed by one user, for ever. What the visitor did in
        it becomes the user's. In a session that is the user's already nothing moves; one that is another user's, or has
        ended, is left alone, and a fresh one begins. So it does where another tab has just signed in with the session:
        were its token replaced again, the browser would be signed out if the two answers came in the other order.

        Args:
            session_id: of the caller's live session; None: there is none.
            user_id: who signs in.
            device: a short name of the browser; None: it is not known.
            frame: where the caller's session belongs, and a fresh one will; None: to a cookie.

        Raises:
            Refusal: not_found, there is no such user; unavailable.
        """
        token, fresh_id = secrets.token_urlsafe(TOKEN_BYTES), new_id()  # the same ones if the transaction is repeated
        digest, tried = _hash(token), list[tuple[UUID, Moved | None]]()

        async def work(conn: Connection) -> tuple[UUID, Moved | None]:
            if tried and await conn.fetchval(_IS_THERE, digest):  # it was committed, and the reply was lost
                return tried[-1]
            known = await conn.fetchval('SELECT id FROM "user" WHERE id = $1 AND deleted_at IS NULL FOR SHARE', user_id)
            if known is None:
                raise Refusal(Code.NOT_FOUND, "There is no such user.")
            held = None if session_id is None else await conn.fetchrow(_LOCK, session_id, _AT_ONCE)
            moved = None if session_id is None or held is None else await claim(conn, session_id, user_id)
            if session_id is None or held is None or moved is None or not _is_rotated(moved.outcome, held):
                await conn.execute(_BEGIN, fresh_id, user_id, digest, self._idle, device, *_columns_of(frame))
                tried.append((fresh_id, moved))
            else:
                await conn.execute(_ROTATE, session_id, user_id, digest, self._idle, device)
                tried.append((session_id, moved))
            return tried[-1]

        with outages_refused():
            signed_in_id, moved = await self._postgres.transact(work)
        identity = await self.read(signed_in_id)
        if identity is None:  # revoked in the moment between
            raise Refusal(Code.UNAVAILABLE, "This session has just ended.")
        return SignIn(identity, token, is_fresh=signed_in_id == fresh_id, moved=moved)

    async def _renew(self, session_id: UUID) -> None:
        await self._postgres.pool.execute(_RENEW, session_id, self._renewal, self._idle, self._absolute)


def _is_rotated(outcome: ClaimOutcome, held: asyncpg.Record) -> bool:
    if outcome is ClaimOutcome.ALREADY_YOURS:
        return not held["has_just_signed_in"]
    return outcome is ClaimOutcome.CLAIMED


def identity_of(row: asyncpg.Record) -> Identity:
    """Who holds a session, of a row with its `id`, `user_id`, `name` and `role`."""
    role = None if row["role"] is None else UserRole(row["role"])
    return Identity(session_id=row["id"], user_id=row["user_id"], name=row["name"], role=role)


def _columns_of(frame: Frame | None) -> tuple[UUID | None, str | None]:
    return (None, None) if frame is None else (frame.channel_id, frame.origin)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
