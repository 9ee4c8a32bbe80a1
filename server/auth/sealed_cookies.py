"""Short-lived things that a browser keeps for us and can neither read nor change."""

import base64
import binascii
import time
from collections.abc import Callable
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from server.auth.sealing import Sealer, Unsealable

HOST_PREFIX: Final = "__Host-"
"""Binds a Secure cookie to this host (RFC 6265bis, 4.1.3.2)."""
_MOMENT_BYTES: Final = 8


class SealedCookie:
    """One cookie. It cannot be taken back before its time is over, so nothing may hang on its being shown once."""

    def __init__(
        self,
        name: str,
        sealer: Sealer,
        *,
        secure: bool,
        lives_seconds: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Name it.

        Args:
            name: without the prefix.
            sealer: of this cookie's purpose.
            secure: whether our origins are on https.
            lives_seconds: what is older counts as absent, whatever the browser keeps.
            now: Unix time in seconds.
        """
        self.name = f"{HOST_PREFIX}{name}" if secure else name
        self._sealer = sealer
        self._secure = secure
        self._lives_seconds = lives_seconds
        self._now = now

    def read(self, connection: HTTPConnection) -> bytes | None:
        """What `write` was given; None: there is none, it is too old, or it is not ours."""
        try:
            text = connection.cookies.get(self.name, "")
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            opened = self._sealer.open(sealed, bound_to=self.name)
        except (binascii.Error, ValueError, Unsealable):
            return None
        until_seconds = int.from_bytes(opened[:_MOMENT_BYTES])
        return opened[_MOMENT_BYTES:] if self._now() < until_seconds else None

    def write(self, response: Response, content: bytes) -> None:
        """Hand it to the browser."""
        until_seconds = int(self._now()) + self._lives_seconds
        sealed = self._sealer.seal(until_seconds.to_bytes(_MOMENT_BYTES) + content, bound_to=self.name)
        value = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
        response.set_cookie(
            self.name,
            value,
            max_age=self._lives_seconds,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )

    def clear(self, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(self.name, path="/", secure=self._secure, httponly=True, samesite="lax")
