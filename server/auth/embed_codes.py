"""Codes with which a chat on another site is signed in: a window of our own site, where somebody is signed in and has
said yes, hands one to the frame that opened it, which exchanges it together with a secret that it has kept (RFC 7636).

A code is 256 random bits, usable once, within a minute, for one channel, one Origin and one user. Redis holds a digest
of it and what it stands for.
"""

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final
from uuid import UUID

import msgspec

from server.auth.sessions import Frame
from server.domain.errors import Code, Refusal
from server.storage.redis import Redis, RedisUnavailable, ticket_key

CODE_BYTES: Final = 32
CODE_SECONDS: Final = 60
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class EmbedGrant(msgspec.Struct, frozen=True):
    """What a code stands for.

    Attributes:
        user_id: who said yes.
        channel_id: in whose chat.
        origin: of the page that may exchange it.
        challenge: the SHA-256 of the secret, as base64url without padding (S256).
        site: the other site's origin, where it is known; only to name it.
    """

    user_id: UUID
    channel_id: UUID
    origin: str
    challenge: str
    site: str | None


class EmbedCodes:
    """The codes in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def issue(self, grant: EmbedGrant) -> str:
        """Make a code.

        Raises:
            Refusal: unavailable, Redis does not answer.
        """
        code = secrets.token_urlsafe(CODE_BYTES)
        content = msgspec.json.encode(grant)
        try:
            await self._redis.run(lambda client: client.set(_key(code), content, ex=CODE_SECONDS))
        except RedisUnavailable as error:
            raise _unavailable() from error
        return code

    async def redeem(self, code: str, verifier: str, frame: Frame) -> EmbedGrant:
        """Use a code up; it is gone whatever comes of it.

        Args:
            code: as it was issued.
            verifier: the secret.
            frame: where it is exchanged.

        Raises:
            Refusal: forbidden: it was never given out, was used before, is over, or is for another channel, page or
                secret, which all look the same; unavailable, and the code may be gone.
        """
        if _CODE.fullmatch(code) is None:
            raise _refused()
        try:
            found = await self._redis.run(lambda client: client.getdel(_key(code)))
        except RedisUnavailable as error:
            raise _unavailable() from error
        if found is None:
            raise _refused()
        grant = msgspec.json.decode(found, type=EmbedGrant)
        is_proven = hmac.compare_digest(challenge_of(verifier).encode(), grant.challenge.encode())
        if not is_proven or Frame(grant.channel_id, grant.origin) != frame:
            raise _refused()
        return grant


def challenge_of(verifier: str) -> str:
    """The challenge of a secret (RFC 7636, section 4.2, S256)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _key(code: str) -> str:
    # Beside the tickets, and never taken for one: their digests are made without the words in front.
    return ticket_key(hashlib.sha256(f"embed code {code}".encode()).hexdigest())


def _refused() -> Refusal:
    return Refusal(Code.FORBIDDEN, "This sign-in is over, or was begun elsewhere. Begin again.")


def _unavailable() -> Refusal:
    return Refusal(Code.UNAVAILABLE, "Nobody can sign in here for the moment.", after_seconds=2.0)
