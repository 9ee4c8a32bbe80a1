"""Who sends an HTTP request: a program with an API key, or a browser with a session cookie."""

from dataclasses import dataclass
from typing import Final

from starlette.requests import HTTPConnection

from server.auth.api_keys import ApiKeys
from server.auth.origins import Origins
from server.auth.visitors import Visitors
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity, IdentityKind

_SCHEME: Final = "bearer"
_FOUND: Final = "tallylight.identity"
"""Where a request's scope keeps who asks: looked up once, for its limits and for its endpoint."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who may change something.

    Attributes:
        origin: of our own page that asks; None for a program.
    """

    identity: Identity
    origin: str | None


class Callers:
    """Joins keys and cookies. A key counts where there is one, right or wrong; then no cookie is looked at."""

    def __init__(self, visitors: Visitors, keys: ApiKeys, origins: Origins) -> None:
        self._visitors = visitors
        self._keys = keys
        self._origins = origins

    async def require(self, connection: HTTPConnection) -> Identity:
        """Who asks.

        Raises:
            Refusal: unauthorized, nobody that is known; unavailable.
        """
        found: Identity | None = connection.scope.get(_FOUND)
        if found is None:
            found = connection.scope[_FOUND] = await self._look_up(connection)
        return found

    async def _look_up(self, connection: HTTPConnection) -> Identity:
        secret = _bearer(connection)
        if secret is None:
            return await self._visitors.require(connection)
        identity = await self._keys.find(secret)
        if identity is None:
            raise Refusal(Code.UNAUTHORIZED, "This API key is not known, or was revoked.")
        return identity

    async def find(self, connection: HTTPConnection) -> Identity | None:
        """Who asks, where that need not be known; None: no key, and no cookie of a live session.

        Raises:
            Refusal: unauthorized, a key that is not known; unavailable.
        """
        if _FOUND not in connection.scope and _bearer(connection) is None:
            found = await self._visitors.find(connection)
            if found is not None:
                connection.scope[_FOUND] = found
            return found
        return await self.require(connection)

    async def require_writer(self, connection: HTTPConnection) -> Writer:
        """Who asks for a change. A cookie counts only on our own pages: browsers send it along from any (CSRF).

        Raises:
            Refusal: unauthorized; forbidden, the Origin is missing or foreign; unavailable.
        """
        identity = await self.require(connection)
        if _bearer(connection) is not None:
            return Writer(identity, None)
        if not self._origins.allows_write(connection.headers):
            raise _foreign_origin()
        return Writer(identity, connection.headers["origin"])

    async def find_browser(self, connection: HTTPConnection) -> Identity | None:
        """Whose browser asks for a change, where that need not be known; None: nobody with a live session.

        Raises:
            Refusal: unauthorized, a key that is not known; forbidden, the Origin is missing or foreign, or it is a
                program; unavailable.
        """
        if _bearer(connection) is None and not self._origins.allows_write(connection.headers):
            raise _foreign_origin()
        identity = await self.find(connection)
        return None if identity is None else _expect_person(identity)

    def require_own_origin(self, connection: HTTPConnection) -> str:
        """The Origin of our own page that asks, whoever is there.

        Raises:
            Refusal: forbidden, it is missing or foreign.
        """
        if not self._origins.allows_write(connection.headers):
            raise _foreign_origin()
        return connection.headers["origin"]


def _expect_person(identity: Identity) -> Identity:
    """The same, a user or a visitor.

    Raises:
        Refusal: forbidden, it is a program's key.
    """
    if identity.kind is IdentityKind.KEY:
        raise Refusal(Code.FORBIDDEN, "This is for people and their browsers, not for API keys.")
    return identity


def _foreign_origin() -> Refusal:
    return Refusal(Code.FORBIDDEN, "With a session cookie this needs the Origin of one of our own pages.")


def brings_key(connection: HTTPConnection) -> bool:
    """Whether a program asks, with a key, right or wrong."""
    return _bearer(connection) is not None


def _bearer(connection: HTTPConnection) -> str | None:
    """The key that is sent; None: none is. Other schemes are not ours: a proxy may ask people for a password."""
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == _SCHEME else None
