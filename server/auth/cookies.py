"""The session cookie: its one name here, and how it is set and read.

On plain http with a loopback host it is ``tallylight_session``; everywhere else ``__Host-tallylight_session`` and
Secure, which a neighbouring subdomain or a page on plain http cannot plant (RFC 6265bis, 4.1.3.2). A server knows one
of the two names only: what the other one holds is ignored.
"""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from server.auth.origins import Origins

LOOPBACK_NAME = "tallylight_session"
HOST_NAME = "__Host-tallylight_session"


class SessionCookie:
    """The cookie rules of one server."""

    def __init__(self, origins: Origins, max_age_seconds: int) -> None:
        """Choose the name.

        Args:
            origins: our own origins; all of them http on loopback → the plain name.
            max_age_seconds: how long browsers keep the cookie; the table may end a session earlier.
        """
        self.secure = not origins.plain_loopback
        self.name = HOST_NAME if self.secure else LOOPBACK_NAME
        self._max_age_seconds = max_age_seconds

    def read(self, connection: HTTPConnection) -> str | None:
        """The token a request or a websocket handshake brings; None when there is no such cookie."""
        return connection.cookies.get(self.name)

    def write(self, response: Response, token: str) -> None:
        """Hand a new token to the browser."""
        response.set_cookie(
            self.name,
            token,
            max_age=self._max_age_seconds,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )
