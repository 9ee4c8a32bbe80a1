"""Pages for whoever opens them: rendered for the caller, whose visit begins a visitor's session."""

from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from server.api.rendering import Rendering
from server.auth.attempts import NEXT_CHARACTERS_MAX
from server.auth.notices import Notices
from server.auth.visitors import Visitors


class Welcoming:
    """Answers with pages."""

    def __init__(self, visitors: Visitors, rendering: Rendering, notices: Notices) -> None:
        self._visitors = visitors
        self._rendering = rendering
        self._notices = notices

    async def page(
        self, request: Request, template: str, context: dict[str, Any], *, status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        """Render for whoever asks; HEAD, which browsers never open a page with, begins no session.

        Raises:
            Refusal: unavailable.
        """
        notice, here = self._notices.find(request), _here(request)
        if request.method == "HEAD":
            identity = await self._visitors.find(request)
            return self._rendering.page(template, context, identity, status=status.value, notice=notice, here=here)
        welcome = await self._visitors.welcome(request)
        response = self._rendering.page(
            template, context, welcome.identity, status=status.value, notice=notice, here=here
        )
        self._visitors.remember(welcome, response)
        if notice is not None:
            self._notices.forget(response)
        return response


def _here(request: Request) -> str:
    """The address of the page that is shown, where somebody could come back to."""
    path = request.url.path
    if request.method == "POST" or path.startswith("/signin"):
        return "/"
    here = f"{path}?{request.url.query}" if request.url.query else path
    return here if len(here) <= NEXT_CHARACTERS_MAX else path[:NEXT_CHARACTERS_MAX]
