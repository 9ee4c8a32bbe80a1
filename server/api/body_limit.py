"""The limit of request bodies: refused by their announced length, or as soon as they grow past it."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.domain.errors import Code, Refusal

REQUEST_BODY_BYTES_MAX = 65_536


class BodyLimit:
    """The middleware; it stands inside what turns a Refusal into an answer."""

    def __init__(self, app: ASGIApp, body_bytes_max: int = REQUEST_BODY_BYTES_MAX) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max

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
        self._check(int(announced))
        received_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            if message["type"] == "http.request":
                received_bytes += len(message.get("body", b""))
                self._check(received_bytes)
            return message

        await self._app(scope, receive_counted, send)

    def _check(self, body_bytes: int) -> None:
        if body_bytes > self._body_bytes_max:
            raise Refusal(Code.TOO_LARGE, f"A request body may have {self._body_bytes_max:,} bytes.")
