"""What pages of other sites may read (Fetch, "CORS protocol"): those of an exact origin that some channel lists, and
only where a chat on their page begins, without cookies. Anybody else gets no header, and their browser shows nothing.
"""

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.security_headers import MORE_HEADERS
from server.auth.origins import Origins
from server.channels.embedding import Embedding

TICKETS_PATH: Final = "/api/ws-tickets"
PREFLIGHT_SECONDS: Final = 600
"""How long a browser may remember the answer to its question."""

_LISTED: Final = "tallylight.listed_origin"
_PREFLIGHT: Final = {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "content-type",
    "access-control-max-age": str(PREFLIGHT_SECONDS),
}


class EmbedCors:
    """The middleware. It stands inside what counts requests and answers refusals."""

    def __init__(self, app: ASGIApp, embedding: Embedding, origins: Origins) -> None:
        self._app = app
        self._embedding = embedding
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say who may read the answer, answer the question whether they may ask, and pass on everything else."""
        if scope["type"] != "http" or scope["path"] != TICKETS_PATH:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        more = scope[MORE_HEADERS] = {"vary": "Origin"}
        sent = headers.getlist("origin")
        if len(sent) == 1 and sent[0] not in self._origins.serialized and await self._embedding.is_listed(sent[0]):
            scope[_LISTED] = more["access-control-allow-origin"] = sent[0]
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await Response(None, 204, _PREFLIGHT)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def listed_origin(scope: Scope) -> str | None:
    """The origin of another site's page that asks, which some channel lists; None: it is no such page."""
    origin: str | None = scope.get(_LISTED)
    return origin
