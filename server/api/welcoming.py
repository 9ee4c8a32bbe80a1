"""Pages for whoever opens them: rendered for the caller, whose visit begins a visitor's session."""

from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from server.api.rendering import Rendering
from server.auth.visitors import Visitors


class Welcoming:
    """Answers with pages."""

    def __init__(self, visitors: Visitors, rendering: Rendering) -> None:
        self._visitors = visitors
        self._rendering = rendering

    async def page(
        self, request: Request, template: str, context: dict[str, Any], *, status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        """Render for whoever asks; HEAD, which browsers never open a page with, begins no session.

        Raises:
            Refusal: unavailable.
        """
        if request.method == "HEAD":
            return self._rendering.page(template, context, await self._visitors.find(request), status=status.value)
        welcome = await self._visitors.welcome(request)
        response = self._rendering.page(template, context, welcome.identity, status=status.value)
        self._visitors.remember(welcome, response)
        return response
