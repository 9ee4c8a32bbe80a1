"""The limit of request bodies: refused by their announced length, or as soon as they grow past it."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.domain.errors import Code, Refusal

REQUEST_BODY_BYTES_MAX = 65_536


class BodyLimit:
    """The middleware; it stands inside what turns a Refusal into an answer."""

    def __init__(
        self, app: ASGIApp, body_bytes_max: int = REQUEST_BODY_BYTES_MAX, others: Mapping[str, int] | None = None
    ) -> None:
        """Stand in front of an application.

        Args:
            app: it.
            body_bytes_max: of any request.
            others: of requests whose path begins so; None: there are none.
        """
        self._app = app
        self._body_bytes_max = body_bytes_max
        self._others = others or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request whose body is small enough.

        Raises:
            Refusal: too_large; bad_request when the length is not a number.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal():
            raise Refusal(Code.BAD_REQUEST, "Content-Length is not a number.")
        limit_bytes = self._limit_of(scope["path"])
        _check(int(announced), limit_bytes)
        received_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            if message["type"] == "http.request":
                received_bytes += len(message.get("body", b""))
                _check(received_bytes, limit_bytes)
            return message

        await self._app(scope, receive_counted, send)

    def _limit_of(self, path: str) -> int:
        for prefix, limit_bytes in self._others.items():
            if path.startswith(prefix):
                return limit_bytes
        return self._body_bytes_max


def _check(body_bytes: int, limit_bytes: int) -> None:
    if body_bytes > limit_bytes:
        raise Refusal(Code.TOO_LARGE, f"A request body may have {limit_bytes:,} bytes here.")
