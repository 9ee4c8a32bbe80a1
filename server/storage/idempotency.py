"""Requests that may be sent again: each is carried out under its key by one node at a time, and its answer is kept.

A key is taken for a while. Whoever took it and died keeps nobody out for longer than that: the next request with the
same content takes it over. What is carried out must therefore be repeatable itself, with ids made from the key.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import msgspec
import structlog

from server.domain.errors import Code, Refusal
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres

LEASE_SECONDS: Final = 30.0
"""How long a key is taken; longer than a request may be carried out."""
KEPT_SECONDS: Final = 86_400
"""How long an answer is repeated, at least."""
SWEEP_SECONDS: Final = 600.0
SWEPT_AT_ONCE_MAX: Final = 1_000
BUSY_AFTER_SECONDS: Final = 1.0

_TAKE: Final = """
    INSERT INTO idempotency_key AS held (scope, key, request_hash, owner, lease_until)
    VALUES ($1, $2, $3, $4, clock_timestamp() + $5::interval)
    ON CONFLICT (scope, key) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until
     WHERE held.status IS NULL AND held.request_hash = excluded.request_hash
       AND (held.owner = excluded.owner OR held.lease_until < clock_timestamp())
    RETURNING TRUE
"""
_READ: Final = "SELECT request_hash, status, response FROM idempotency_key WHERE scope = $1 AND key = $2"
_ANSWER: Final = """
    UPDATE idempotency_key SET status = $4, response = $5
     WHERE scope = $1 AND key = $2 AND request_hash = $3 AND status IS NULL
"""
_LEAVE: Final = "DELETE FROM idempotency_key WHERE scope = $1 AND key = $2 AND owner = $3 AND status IS NULL"
_SWEEP: Final = """
    WITH old AS (
        SELECT scope, key FROM idempotency_key
         WHERE created_at < clock_timestamp() - $1::interval AND lease_until < clock_timestamp()
         ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM idempotency_key AS held USING old WHERE held.scope = old.scope AND held.key = old.key
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RepeatableRequest:
    """A request that may come again.

    Attributes:
        scope: who asks, and for what; one key means different things in two scopes.
        key: of the caller's making.
        content_hash: SHA-256 of all that the answer depends on.
    """

    scope: str
    key: str
    content_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was first given.

    Attributes:
        status: of HTTP.
        headers: names in lower case and values, as they were sent; without the body's length.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class _Response(msgspec.Struct, frozen=True, array_like=True):
    """What stands in the column `response`."""

    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class IdempotencyKeys:
    """The table of taken keys and kept answers."""

    def __init__(
        self,
        postgres: Postgres,
        *,
        lease_seconds: float = LEASE_SECONDS,
        swept_at_once_max: int = SWEPT_AT_ONCE_MAX,
    ) -> None:
        self._postgres = postgres
        self._lease = timedelta(seconds=lease_seconds)
        self._swept_at_once_max = swept_at_once_max

    async def take(self, request: RepeatableRequest, owner: UUID) -> StoredAnswer | None:
        """Take the key, to carry the request out.

        Args:
            request: what was asked.
            owner: made anew for each run; the same in a repetition after a lost reply.

        Returns:
            None: carry it out, then `answer` or `leave`. Otherwise what was answered before.

        Raises:
            Refusal: conflict, the key was used for something else; busy, somebody else is at it; unavailable.
        """

        async def work(conn: Connection) -> StoredAnswer | None:
            if await conn.fetchval(_TAKE, request.scope, request.key, request.content_hash, owner, self._lease):
                return None
            row = await conn.fetchrow(_READ, request.scope, request.key)
            if row is not None and row["request_hash"] != request.content_hash:
                raise Refusal(Code.CONFLICT, "This Idempotency-Key was used for another request.")
            if row is None or row["status"] is None:  # no row: whoever had it has just left it
                text = "The same request is being carried out: ask again in a moment."
                raise Refusal(Code.BUSY, text, after_seconds=BUSY_AFTER_SECONDS)
            return _stored(row["status"], row["response"])

        with outages_refused():
            return await self._postgres.transact(work)

    async def answer(self, request: RepeatableRequest, answer: StoredAnswer) -> StoredAnswer:
        """Keep the answer; the first one stays.

        Returns:
            What is kept, and to be sent: that of another run, where one took this one's key over and was faster.

        Raises:
            Refusal: unavailable; it may be kept all the same.
        """
        response = msgspec.msgpack.encode(_Response(answer.headers, answer.body))

        async def work(conn: Connection) -> StoredAnswer:
            await conn.execute(_ANSWER, request.scope, request.key, request.content_hash, answer.status, response)
            row = await conn.fetchrow(_READ, request.scope, request.key)
            if row is None or row["status"] is None or row["request_hash"] != request.content_hash:
                return answer  # it took so long that the key was swept: nobody can ask for the answer any more
            return _stored(row["status"], row["response"])

        with outages_refused():
            return await self._postgres.transact(work)

    async def leave(self, request: RepeatableRequest, owner: UUID) -> None:
        """Give the key back, as nothing came of it: the next request with it begins anew.

        Raises:
            Refusal: unavailable; then it is taken until the lease ends.
        """
        with outages_refused():
            await self._postgres.pool.execute(_LEAVE, request.scope, request.key, owner)

    async def sweep(self) -> int:
        """Remove what is old; returns how many keys went.

        Raises:
            Refusal: unavailable.
        """
        swept = 0
        with outages_refused():
            while batch := await self._sweep_some():
                swept += batch
        return swept

    async def _sweep_some(self) -> int:
        status = await self._postgres.pool.execute(_SWEEP, timedelta(seconds=KEPT_SECONDS), self._swept_at_once_max)
        return int(status.removeprefix("DELETE "))

    async def run(self) -> None:
        """Sweep every ten minutes until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                log.info("idempotency_keys_swept", keys=await self.sweep())
            except Refusal as refusal:
                log.warning("idempotency_keys_not_swept", error=repr(refusal.__cause__))


def _stored(status: int, response: bytes) -> StoredAnswer:
    kept = msgspec.msgpack.decode(response, type=_Response)
    return StoredAnswer(status, kept.headers, kept.body)
