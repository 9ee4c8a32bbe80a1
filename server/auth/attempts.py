"""Sign-ins that were begun: what the provider's answer is compared with, kept by the browser that began them.

State, nonce and PKCE verifier are in sealed cookies and nowhere else, never in a store that all browsers share: an
answer counts only in the browser that asked for it (RFC 9700, 4.7; GHSA-fg6f-75jq-6523).
"""

import hmac
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Final

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response

from server.auth.sealed_cookies import HOST_PREFIX, SealedCookie
from server.auth.sealing import Keyring

ATTEMPT_SECONDS: Final = 600
"""How long somebody may take at the provider."""
ATTEMPTS_MAX: Final = 3
"""Begun in one browser at once, in as many tabs; the oldest is forgotten."""
NEXT_CHARACTERS_MAX: Final = 300
"""With which an attempt fits a cookie, which browsers drop above 4 KiB."""
NAME_DIGITS: Final = 16
"""Of the state's digest, by which its cookie is named."""
_NAME: Final = "tallylight_signin"


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """One sign-in that was begun.

    Attributes:
        provider: its name.
        state: what the provider hands back.
        verifier: of PKCE (RFC 7636).
        redirect_uri: that the provider was told.
        until_seconds: when it is too old, Unix time.
        nonce: what the ID token has to hold; empty where there is none.
        next_path: where it leads in the end, a path of this site.
        links_to: id of the user who adds an account; None: whoever it is signs in.
    """

    provider: str
    state: str
    verifier: str
    redirect_uri: str
    until_seconds: int
    nonce: str = ""
    next_path: str = "/"
    links_to: str | None = None


_STORED: Final = msgspec.json.Decoder(Attempt)


class Attempts:
    """The attempts of the browser that asks, each in a cookie of its own: tabs that begin or finish at the same time
    do not overwrite what the others keep."""

    def __init__(self, keyring: Keyring, *, secure: bool, now: Callable[[], float] = time.time) -> None:
        self._sealer = keyring.sealer("sign-in attempts")
        self._secure = secure
        self._now = now

    def add(self, connection: HTTPConnection, response: Response, attempt: Attempt) -> None:
        """Remember one more."""
        kept: list[tuple[int, SealedCookie]] = []
        for cookie in self._cookies(connection):
            other = self._read(connection, cookie)
            kept.append((0 if other is None else other.until_seconds, cookie))
        kept.sort(key=lambda one: one[0])  # browsers send the older ones first, which decides within a second
        for _, cookie in kept[: len(kept) - ATTEMPTS_MAX + 1]:
            cookie.clear(response)
        self._cookie(attempt.state).write(response, msgspec.json.encode(attempt))

    def find(self, connection: HTTPConnection, state: str) -> Attempt | None:
        """The one with this state; None: this browser has begun none such, or too long ago."""
        attempt = self._read(connection, self._cookie(state))
        return None if attempt is None or not hmac.compare_digest(attempt.state.encode(), state.encode()) else attempt

    def remove(self, response: Response, attempt: Attempt) -> None:
        """It is over, whatever came of it."""
        self._cookie(attempt.state).clear(response)

    def until_seconds(self) -> int:
        """When one that begins now is too old."""
        return int(self._now()) + ATTEMPT_SECONDS

    def _read(self, connection: HTTPConnection, cookie: SealedCookie) -> Attempt | None:
        content = cookie.read(connection)
        attempt = None if content is None else _STORED.decode(content)
        return attempt if attempt is not None and attempt.until_seconds > self._now() else None

    def _cookies(self, connection: HTTPConnection) -> Iterator[SealedCookie]:
        """Those that the browser has sent, whatever is in them."""
        for name in connection.cookies:
            bare = name.removeprefix(HOST_PREFIX)
            if bare.startswith(f"{_NAME}_"):
                yield self._made(bare)

    def _cookie(self, state: str) -> SealedCookie:
        return self._made(f"{_NAME}_{sha256(state.encode()).hexdigest()[:NAME_DIGITS]}")

    def _made(self, name: str) -> SealedCookie:
        return SealedCookie(name, self._sealer, secure=self._secure, lives_seconds=ATTEMPT_SECONDS, now=self._now)
