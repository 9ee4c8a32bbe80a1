"""The first limit that a request meets: by address, on this server alone, before anything is looked up or counted.

It is above all others, so that a flood costs neither Redis nor Postgres anything; what a page needs fits in easily.
"""

from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from server.auth.rate_limits import RateLimits

UNLIMITED_PATHS: Final = ("/healthz", "/readyz")
"""A server that is flooded is not a dead one: whoever looks after it is always answered."""


class FloodLimit:
    """The middleware; it stands inside what turns a Refusal into an answer."""

    def __init__(self, app: ASGIApp, limits: RateLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on while there are not too many.

        Raises:
            Refusal: rate_limited.
        """
        if scope["type"] == "http" and scope["path"] not in UNLIMITED_PATHS:
            self._limits.check_here(HTTPConnection(scope))
        await self._app(scope, receive, send)
