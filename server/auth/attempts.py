"""Sign-ins that were begun: what the provider's answer is compared with, kept by the browser that began them.

State, nonce and PKCE verifier are in a sealed cookie and nowhere else, never in a store that all browsers share: an
answer counts only in the browser that asked for it (RFC 9700, 4.7; GHSA-fg6f-75jq-6523).
"""

import hmac
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from starlette.requests import HTTPConnection
from starlette.responses import Response

from server.auth.sealed_cookies import SealedCookie
from server.auth.sealing import Keyring

ATTEMPT_SECONDS: Final = 600
"""How long somebody may take at the provider."""
ATTEMPTS_MAX: Final = 3
"""Begun in one browser at once, in as many tabs; the oldest is forgotten. Together they fit a cookie of 4 KiB."""
NEXT_CHARACTERS_MAX: Final = 300
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


_STORED: Final = msgspec.json.Decoder(list[Attempt])


class Attempts:
    """The attempts of the browser that asks."""

    def __init__(self, keyring: Keyring, *, secure: bool, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._cookie = SealedCookie(
            _NAME, keyring.sealer("sign-in attempts"), secure=secure, lives_seconds=ATTEMPT_SECONDS, now=now
        )

    def add(self, connection: HTTPConnection, response: Response, attempt: Attempt) -> None:
        """Remember one more."""
        self._write(response, [*self._read(connection), attempt][-ATTEMPTS_MAX:])

    def find(self, connection: HTTPConnection, state: str) -> Attempt | None:
        """The one with this state; None: this browser has begun none such, or too long ago."""
        for attempt in self._read(connection):
            if hmac.compare_digest(attempt.state.encode(), state.encode()):
                return attempt
        return None

    def remove(self, connection: HTTPConnection, response: Response, attempt: Attempt) -> None:
        """It is over, whatever came of it."""
        self._write(response, [other for other in self._read(connection) if other.state != attempt.state])

    def until_seconds(self) -> int:
        """When one that begins now is too old."""
        return int(self._now()) + ATTEMPT_SECONDS

    def _read(self, connection: HTTPConnection) -> Sequence[Attempt]:
        content = self._cookie.read(connection)
        attempts = [] if content is None else _STORED.decode(content)
        return [attempt for attempt in attempts if attempt.until_seconds > self._now()]

    def _write(self, response: Response, attempts: Sequence[Attempt]) -> None:
        if attempts:
            self._cookie.write(response, msgspec.json.encode(attempts))
        else:
            self._cookie.clear(response)
