"""Tickets: a way onto the websocket for whoever cannot bring a cookie.

A ticket is 256 random bits, usable once, within 30 seconds. It stands for an identity, for the Origin of the page that
asked (none for an API key) and for one channel. Redis holds the SHA-256 of it and what it stands for; whose it is, is
read again from Postgres when it is used, so a session or a key that has ended takes its tickets along.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from server.auth.api_keys import ApiKeys
from server.auth.sessions import Sessions
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.storage.redis import Redis, RedisUnavailable, ticket_key

TICKET_BYTES: Final = 32
TICKET_SECONDS: Final = 30
_TICKET: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Claim(msgspec.Struct, frozen=True):
    """What a ticket stands for.

    Attributes:
        session_id: of the identity.
        key_id: None unless an API key asked for it.
        origin: of the page that asked; None: the ticket is for a program, which sends none.
        channel_id: the only channel that its socket may use.
    """

    session_id: UUID
    key_id: UUID | None
    origin: str | None
    channel_id: UUID


@dataclass(frozen=True, slots=True)
class Admission:
    """Who comes in with a ticket."""

    identity: Identity
    channel_id: UUID


class BadTicket(Exception):
    """It was never given out, was used before, or is over: these look the same."""


class ForeignTicket(Exception):
    """It is for another page, or for somebody who is not known any more. A new one would not help."""


class Tickets:
    """The tickets in Redis."""

    def __init__(self, redis: Redis, sessions: Sessions, keys: ApiKeys) -> None:
        self._redis = redis
        self._sessions = sessions
        self._keys = keys

    async def issue(self, identity: Identity, origin: str | None, channel_id: UUID) -> str:
        """Make a ticket for one socket.

        Args:
            identity: who will speak on it.
            origin: the one that its handshake will have; None: it will have none.
            channel_id: what it will be used for.

        Raises:
            Refusal: unavailable, Redis does not answer.
        """
        ticket = secrets.token_urlsafe(TICKET_BYTES)
        claim = msgspec.json.encode(Claim(identity.session_id, identity.key_id, origin, channel_id))
        try:
            await self._redis.run(lambda client: client.set(_key(ticket), claim, ex=TICKET_SECONDS))
        except RedisUnavailable as error:
            raise _unavailable() from error
        return ticket

    async def redeem(self, ticket: str, origin: str | None) -> Admission:
        """Use a ticket up; it is gone whatever comes of it.

        Args:
            ticket: as it was issued.
            origin: of the handshake; None when it has none.

        Raises:
            BadTicket: see there.
            ForeignTicket: see there.
            Refusal: unavailable; the ticket may be gone.
        """
        if _TICKET.fullmatch(ticket) is None:
            raise BadTicket
        try:
            found = await self._redis.run(lambda client: client.getdel(_key(ticket)))
        except RedisUnavailable as error:
            raise _unavailable() from error
        if found is None:
            raise BadTicket
        claim = msgspec.json.decode(found, type=Claim)
        if claim.origin != origin:
            raise ForeignTicket
        identity = await self._identity(claim)
        if identity is None:
            raise ForeignTicket
        return Admission(identity, claim.channel_id)

    async def _identity(self, claim: Claim) -> Identity | None:
        if claim.key_id is None:
            return await self._sessions.read(claim.session_id)
        return await self._keys.read(claim.key_id)


def _key(ticket: str) -> str:
    return ticket_key(hashlib.sha256(ticket.encode()).hexdigest())


def _unavailable() -> Refusal:
    return Refusal(Code.UNAVAILABLE, "There are no tickets for the moment.", after_seconds=2.0)
