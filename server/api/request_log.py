"""One line in the log for each request: method, route, status, time. No address, no query, no name of anything."""

import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.failures import route_of

QUIET_ROUTES: Final = ("/healthz", "/readyz", "/static")
"""Asked for all the time: logged only when they fail."""

log = structlog.get_logger(__name__)


class RequestLog:
    """The middleware; outermost, so that its time is the whole time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and log the status once the answer is sent or failed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began_at = 0, time.monotonic()

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            route, duration_ms = route_of(scope), round((time.monotonic() - began_at) * 1000, 1)
            if route not in QUIET_ROUTES or not 0 < status < 400:
                log.info("request", method=scope["method"], route=route, status=status, duration_ms=duration_ms)
