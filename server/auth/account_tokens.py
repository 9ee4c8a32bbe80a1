"""The tokens of providers: sealed in the table, each bound to its row and column, opened only to be used."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from server.auth.providers.provider import Provider, ProviderFailure, ProviderTokens, Trouble
from server.auth.sealing import Keyring, Unsealable
from server.domain.errors import Code, Refusal
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres

REFRESH_BEFORE_SECONDS: Final = 60
"""A token that lives no longer than this counts as expired: it has to live until it is used."""
LEASE_SECONDS: Final = 30.0
"""For so long one node refreshes an account's tokens: longer than asking a provider may take."""
LOOK_SECONDS: Final = 0.25
"""How often others look whether it is done."""
_LOOKS_MAX: Final = int(LEASE_SECONDS / LOOK_SECONDS)

# Not every answer has a refresh token: the old one is good until there is a new one.
_WRITE: Final = """
UPDATE account SET access_token = $2, refresh_token = COALESCE($3, refresh_token), id_token = COALESCE($4, id_token),
       expires_at = $5, token_type = $6, scope = COALESCE($7, scope), refreshing_until = NULL
 WHERE id = $1
"""
_READ: Final = """
SELECT provider, access_token, refresh_token,
       expires_at IS NOT NULL AND expires_at < clock_timestamp() + $2::interval AS is_expired
  FROM account WHERE id = $1
"""
_TAKE: Final = """
UPDATE account SET refreshing_until = clock_timestamp() + $3::interval
 WHERE id = $1 AND refresh_token = $2 AND (refreshing_until IS NULL OR refreshing_until < clock_timestamp())
RETURNING true
"""
_FORGET: Final = """
UPDATE account SET refresh_token = NULL, refreshing_until = NULL WHERE id = $1 AND refresh_token = $2
"""
_LEAVE: Final = "UPDATE account SET refreshing_until = NULL WHERE id = $1 AND refresh_token = $2"


class AccountTokens:
    """Seals, opens and refreshes them."""

    def __init__(self, postgres: Postgres, keyring: Keyring, providers: Mapping[str, Provider]) -> None:
        self._postgres = postgres
        self._sealer = keyring.sealer("account tokens")
        self._providers = providers
        self._refreshing: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def write(self, conn: Connection, account_id: UUID, tokens: ProviderTokens) -> None:
        """Keep them, sealed with the first key, in the caller's transaction."""
        await conn.execute(
            _WRITE,
            account_id,
            self._seal(account_id, "access_token", tokens.access_token),
            self._seal(account_id, "refresh_token", tokens.refresh_token),
            self._seal(account_id, "id_token", tokens.id_token),
            tokens.expires_at,
            tokens.token_type,
            tokens.scope,
        )

    async def live_access_token(self, account_id: UUID) -> str:
        """An access token that is good for another minute at least; the provider is asked for one if need be.

        Whoever asks at once, on any node, waits for the one who refreshes: a refresh token is often worth nothing after
        its first use, and one that is shown twice may cost all that came of it (RFC 9700, 4.14.2).

        Raises:
            Refusal: not_found: no such account, or nothing that could be opened or refreshed: the person has to sign
                in there again; unavailable.
            ProviderFailure: unreachable, untrusted; the refresh token is kept.
        """
        lock = self._refreshing.setdefault(account_id, asyncio.Lock())  # forgotten when nobody holds it
        async with lock:
            for _ in range(_LOOKS_MAX):
                found = await self._read_or_refresh(account_id)
                if found is not None:
                    return found
                await asyncio.sleep(LOOK_SECONDS)
            raise Refusal(Code.UNAVAILABLE, "The provider takes too long.", after_seconds=LEASE_SECONDS)

    async def _read_or_refresh(self, account_id: UUID) -> str | None:
        """None: another node is refreshing it."""
        with outages_refused():
            row = await self._postgres.pool.fetchrow(_READ, account_id, timedelta(seconds=REFRESH_BEFORE_SECONDS))
        provider = None if row is None else self._providers.get(row["provider"])
        if row is None or provider is None:
            raise _nothing_left()
        if not row["is_expired"] and row["access_token"] is not None:
            return self._open(account_id, "access_token", row["access_token"])
        if row["refresh_token"] is None:
            raise _nothing_left()
        refresh_token = self._open(account_id, "refresh_token", row["refresh_token"])
        lease = timedelta(seconds=LEASE_SECONDS)
        with outages_refused():
            if await self._postgres.pool.fetchval(_TAKE, account_id, row["refresh_token"], lease) is None:
                return None
        return await self._refresh(account_id, provider, row["refresh_token"], refresh_token)

    async def _refresh(self, account_id: UUID, provider: Provider, sealed: bytes, refresh_token: str) -> str:
        try:
            fresh = await provider.refresh(refresh_token)
        except ProviderFailure as failure:
            is_over = failure.trouble is Trouble.DENIED
            with outages_refused():
                await self._postgres.pool.execute(_FORGET if is_over else _LEAVE, account_id, sealed)
            if is_over:
                raise _nothing_left() from failure
            raise
        # An ID token says who signs in; nobody has done so now, and nobody has checked this one.
        fresh = replace(fresh, id_token=None)

        async def work(conn: Connection) -> None:
            await self.write(conn, account_id, fresh)

        with outages_refused():
            await self._postgres.transact(work)
        return fresh.access_token

    def _seal(self, account_id: UUID, column: str, token: str | None) -> bytes | None:
        return None if token is None else self._sealer.seal(token.encode(), bound_to=_place(account_id, column))

    def _open(self, account_id: UUID, column: str, sealed: bytes) -> str:
        try:
            return self._sealer.open(sealed, bound_to=_place(account_id, column)).decode()
        except Unsealable as error:
            raise _nothing_left() from error


def _place(account_id: UUID, column: str) -> str:
    return f"account {account_id} {column}"


def _nothing_left() -> Refusal:
    return Refusal(Code.NOT_FOUND, "The provider is not open to us any more: sign in there again.")
