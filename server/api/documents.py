"""The documents of both interfaces: as JSON for programs, and as pages."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.operations import HTML, Answer, Operation, described
from server.api.reference import reference_of_rest, reference_of_websocket
from server.api.welcoming import Welcoming
from server.domain.errors import Code

DOCUMENT_CACHE = "no-cache"
"""Kept, but asked for each time: it changes with the server."""

_DOCUMENT = Operation("Documents", {200: Answer("The document.")})
_PAGE = Operation(
    "Documents", {200: Answer("The page.", media_type=HTML)}, refusals=(Code.UNAVAILABLE,), begins_session=True
)


class DocumentEndpoints:
    """`/api/openapi.json` and `/api/docs…`."""

    def __init__(self, rest: dict[str, Any], websocket: dict[str, Any], welcoming: Welcoming) -> None:
        self._rest = msgspec.json.encode(rest)
        self._websocket = msgspec.json.encode(websocket)
        self._of_rest = reference_of_rest(rest)
        self._of_websocket = reference_of_websocket(websocket)
        self._welcoming = welcoming

    @described(_DOCUMENT)
    async def openapi(self, _request: Request) -> Response:
        """`GET /api/openapi.json`: this document, OpenAPI 3.1."""
        return Response(self._rest, 200, {"cache-control": DOCUMENT_CACHE}, "application/json")

    @described(_DOCUMENT)
    async def asyncapi(self, _request: Request) -> Response:
        """`GET /api/docs/websocket.json`: the document of the websocket, AsyncAPI 3."""
        return Response(self._websocket, 200, {"cache-control": DOCUMENT_CACHE}, "application/json")

    @described(_PAGE)
    async def rest_page(self, request: Request) -> Response:
        """`GET /api/docs`: this document, to read."""
        return await self._welcoming.page(request, "docs-rest.html", {"reference": self._of_rest})

    @described(_PAGE)
    async def websocket_page(self, request: Request) -> Response:
        """`GET /api/docs/websocket`: the document of the websocket, to read."""
        return await self._welcoming.page(request, "docs-websocket.html", {"reference": self._of_websocket})
