"""A sentence that the next page says once, such as what a sign-in has moved; it is not in any address."""

from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from server.auth.sealed_cookies import SealedCookie
from server.auth.sealing import Keyring

NOTICE_SECONDS: Final = 120
NOTICE_CHARACTERS_MAX: Final = 500
_NAME: Final = "tallylight_notice"


class Notices:
    """Carries one sentence from an answer that is no page to the next page that is."""

    def __init__(self, keyring: Keyring, *, secure: bool) -> None:
        self._cookie = SealedCookie(_NAME, keyring.sealer("notice"), secure=secure, lives_seconds=NOTICE_SECONDS)

    def leave(self, response: Response, text: str) -> None:
        """Have the next page say it; what is longer than 500 characters is cut."""
        self._cookie.write(response, text[:NOTICE_CHARACTERS_MAX].encode())

    def find(self, connection: HTTPConnection) -> str | None:
        """What is to be said; None: nothing. Follow it with `forget`."""
        content = self._cookie.read(connection)
        return None if content is None else content.decode()

    def forget(self, response: Response) -> None:
        """It was said."""
        self._cookie.clear(response)
