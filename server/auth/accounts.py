"""The accounts by which users sign in. Who somebody is, is provider and subject; an e-mail address never is.

Two requests about one person at a provider, or about one address, wait for each other (advisory locks, always in that
order), so that nobody becomes two users.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from server.auth.account_tokens import AccountTokens
from server.auth.providers.provider import Identified, Profile
from server.domain.errors import Code, Refusal
from server.storage.ids import new_id
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres

ACCOUNTS_MAX: Final = 20
"""Linked to one user."""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_FIND: Final = """
SELECT a.id, a.user_id, u.deleted_at IS NOT NULL AS is_gone
  FROM account a JOIN "user" u ON u.id = a.user_id WHERE a.provider = $1 AND a.provider_account_id = $2
"""
_ELSEWHERE: Final = """
SELECT DISTINCT a.provider FROM "user" u JOIN account a ON a.user_id = u.id
 WHERE lower(u.email) = lower($1) AND u.email_verified IS NOT NULL AND u.deleted_at IS NULL
   AND a.provider = ANY($2) ORDER BY a.provider
"""
_NEW_USER: Final = """
INSERT INTO "user" (id, name, email, email_verified, image)
VALUES ($1, $2, $3, CASE WHEN $4::boolean THEN clock_timestamp() END, $5)
"""
_NEW_ACCOUNT: Final = """
INSERT INTO account (id, user_id, type, provider, provider_account_id) VALUES ($1, $2, $3, $4, $5)
"""
_OF_USER: Final = """
SELECT id, type, provider, provider_account_id, scope, token_type, expires_at, created_at
  FROM account WHERE user_id = $1 ORDER BY created_at, id
"""


class EmailElsewhere(Exception):
    """A stranger here, whose verified address is that of a user who signs in elsewhere.

    Attributes:
        providers: names of those through which that user signs in, at least one.
    """

    def __init__(self, providers: Sequence[str]) -> None:
        super().__init__(", ".join(providers))
        self.providers = providers


class AccountsFull(Refusal):
    """There are as many accounts linked as there can be."""

    def __init__(self) -> None:
        super().__init__(Code.CONFLICT, f"At most {ACCOUNTS_MAX} accounts can be linked.")


@dataclass(frozen=True, slots=True)
class Account:
    """One way for a user to sign in; its tokens are not here.

    Attributes:
        type: ``oidc`` or ``oauth``.
        subject: the provider's id of the person.
        expires_at: of the access token; None: nobody said.
    """

    id: UUID
    type: str
    provider: str
    subject: str
    scope: str | None
    token_type: str | None
    expires_at: datetime | None
    created_at: datetime


class Accounts:
    """The table of accounts."""

    def __init__(self, postgres: Postgres, tokens: AccountTokens) -> None:
        self._postgres = postgres
        self._tokens = tokens

    async def sign_up_or_find(self, provider: str, type_: str, found: Identified, known: Collection[str]) -> UUID:
        """The user whom this person is; a new one at the first time. Repeating it finds the same user.

        Args:
            provider: name of who identified the person.
            type_: see `Account`.
            found: who it is, and the tokens to keep.
            known: names of all providers through which somebody could sign in now.

        Raises:
            EmailElsewhere: see there; nothing was changed.
            Refusal: unavailable.
        """
        user_id, account_id = new_id(), new_id()  # the same ones if the transaction is repeated

        async def work(conn: Connection) -> UUID:
            held = await self._locked(conn, provider, found.profile)
            if held is not None:
                await self._tokens.write(conn, held[0], found.tokens)
                return held[1]
            await _refuse_elsewhere(conn, found.profile, [name for name in known if name != provider])
            profile = found.profile
            await conn.execute(_NEW_USER, user_id, profile.name, profile.email, profile.email_verified, profile.image)
            await conn.execute(_NEW_ACCOUNT, account_id, user_id, type_, provider, profile.subject)
            await self._tokens.write(conn, account_id, found.tokens)
            return user_id

        with outages_refused():
            return await self._postgres.transact(work)

    async def link(self, user_id: UUID, provider: str, type_: str, found: Identified) -> None:
        """Add a way to sign in to a user who is signed in. Repeating it changes nothing but the tokens.

        Raises:
            AccountsFull: there are 20.
            Refusal: conflict: the account is another user's; not_found: no such user; unavailable.
        """
        account_id = new_id()

        async def work(conn: Connection) -> None:
            held = await self._locked(conn, provider, found.profile)
            if held is not None and held[1] != user_id:
                raise Refusal(Code.CONFLICT, "That account belongs to somebody else here.")
            if held is None:
                if await _count_locked(conn, user_id) >= ACCOUNTS_MAX:
                    raise AccountsFull
                await conn.execute(_NEW_ACCOUNT, account_id, user_id, type_, provider, found.profile.subject)
            await self._tokens.write(conn, account_id if held is None else held[0], found.tokens)

        with outages_refused():
            await self._postgres.transact(work)

    async def unlink(self, user_id: UUID, account_id: UUID, known: Collection[str]) -> Account:
        """Take a way to sign in away, but never the last one that works.

        Args:
            user_id: whose it is.
            account_id: of `Account`.
            known: see `sign_up_or_find`: an account of a provider that is not there any more does not count as a way.

        Returns:
            What was taken away.

        Raises:
            Refusal: not_found: absent or somebody else's; conflict: it is the last one; unavailable.
        """

        tried = list[Account]()

        async def work(conn: Connection) -> Account:
            await _count_locked(conn, user_id)
            accounts = [_account(row) for row in await conn.fetch(_OF_USER, user_id)]
            chosen = next((one for one in accounts if one.id == account_id), None)
            if chosen is None and tried:  # it was committed, and the reply was lost
                return tried[-1]
            if chosen is None:
                raise Refusal(Code.NOT_FOUND, "There is no such account.")
            if not any(one.provider in known for one in accounts if one.id != account_id):
                raise Refusal(Code.CONFLICT, "This is the last way to sign in: link another one first.")
            await conn.execute("DELETE FROM account WHERE id = $1", account_id)
            tried.append(chosen)
            return chosen

        with outages_refused():
            return await self._postgres.transact(work)

    async def of_user(self, user_id: UUID) -> Sequence[Account]:
        """Every account of a user, the oldest first; 20 at most.

        Raises:
            Refusal: unavailable.
        """
        with outages_refused():
            return [_account(row) for row in await self._postgres.pool.fetch(_OF_USER, user_id)]

    async def _locked(self, conn: Connection, provider: str, profile: Profile) -> tuple[UUID, UUID] | None:
        """Account and user of this person, whom nobody else signs up meanwhile; None: a stranger.

        An account that outlived its user is nobody's.
        """
        await conn.execute(_LOCK, f"account {provider} {profile.subject}")
        row = await conn.fetchrow(_FIND, provider, profile.subject)
        if row is None:
            return None
        if row["is_gone"]:
            await conn.execute("DELETE FROM account WHERE id = $1", row["id"])
            return None
        return row["id"], row["user_id"]


async def _refuse_elsewhere(conn: Connection, profile: Profile, others: Collection[str]) -> None:
    """Nothing is said about an address that is not proven, or people could be looked up by theirs.

    The person's own provider is none of the others: it says that somebody else has the address now, so whoever had it
    before cannot be them, and there is nowhere to send them.
    """
    if profile.email is None or not profile.email_verified:
        return
    await conn.execute(_LOCK, f"email {profile.email.lower()}")
    rows = await conn.fetch(_ELSEWHERE, profile.email, list(others))
    if rows:
        raise EmailElsewhere([row["provider"] for row in rows])


async def _count_locked(conn: Connection, user_id: UUID) -> int:
    """How many accounts a user has, who cannot change that at the same time.

    Raises:
        Refusal: not_found: there is no such user.
    """
    query = 'SELECT 1 FROM "user" WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE'
    if await conn.fetchval(query, user_id) is None:
        raise Refusal(Code.NOT_FOUND, "There is no such user.")
    count: int = await conn.fetchval("SELECT count(*) FROM account WHERE user_id = $1", user_id)
    return count


def _account(row: asyncpg.Record) -> Account:
    return Account(
        id=row["id"],
        type=row["type"],
        provider=row["provider"],
        subject=row["provider_account_id"],
        scope=row["scope"],
        token_type=row["token_type"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
    )
