"""The identity behind a request, and a session for whoever opens a page without one."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.responses import Response

from server.auth.cookies import SessionCookie
from server.auth.sessions import Sessions
from server.domain.devices import device_of
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity


@dataclass(frozen=True, slots=True)
class Welcome:
    """Who opened a page.

    Attributes:
        identity: found, or made for this page; None: a sign-in has just replaced the token that it was asked for with.
        new_token: what the browser must be told; None when it had a live session, or has got one.
    """

    identity: Identity | None
    new_token: str | None


class Visitors:
    """Joins the cookie with the table."""

    def __init__(self, sessions: Sessions, cookie: SessionCookie) -> None:
        self._sessions = sessions
        self._cookie = cookie

    async def find(self, connection: HTTPConnection) -> Identity | None:
        """Who sends this request or handshake; None: no cookie, or one without a live session.

        Raises:
            Refusal: unavailable.
        """
        return await self._sessions.find(self._cookie.read(connection))

    async def require(self, connection: HTTPConnection) -> Identity:
        """Who sends this request.

        Raises:
            Refusal: unauthorized, nobody that is known; unavailable.
        """
        identity = await self.find(connection)
        if identity is None:
            raise Refusal(Code.UNAUTHORIZED, "This needs a session or an API key: open any page first.")
        return identity

    async def welcome(self, connection: HTTPConnection) -> Welcome:
        """Who opens this page; a visitor's session is made where there is none. Follow it with `remember`.

        Raises:
            Refusal: unavailable.
        """
        identity = await self.find(connection)
        if identity is not None or await self.is_replaced(connection):
            return Welcome(identity, None)
        return await self.begin(connection)

    async def is_replaced(self, connection: HTTPConnection) -> bool:
        """Whether a sign-in has just replaced the token that this was asked with: the browser has, or gets, another.

        Raises:
            Refusal: unavailable.
        """
        return await self._sessions.is_former(self._cookie.read(connection))

    async def begin(self, connection: HTTPConnection) -> Welcome:
        """Begin a visitor's session for this browser, whatever session it has had. Follow it with `remember`.

        Raises:
            Refusal: unavailable.
        """
        return Welcome(*await self._sessions.create_visitor(device_of(connection.headers.get("user-agent"))))

    def remember(self, welcome: Welcome, response: Response) -> None:
        """Set the cookie on the page's answer where a session was made."""
        if welcome.new_token is not None:
            self._cookie.write(response, welcome.new_token)
