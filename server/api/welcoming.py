"""Pages for whoever opens them: rendered for the caller, whose visit begins a visitor's session."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import Response

from server.api.rendering import Rendering
from server.api.session_status import UNKNOWN, SessionStatus, status_of
from server.auth.attempts import NEXT_CHARACTERS_MAX
from server.auth.notices import Notices
from server.auth.visitors import Visitors
from server.domain.site_paths import site_path_of

SESSION_PATH: Final = "/session"


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
        notice, here = self._notices.find(request), place_of(request)
        if request.method == "HEAD":
            session = status_of(await self._visitors.find(request))
            return self._rendering.page(template, context, session, status=status.value, notice=notice, here=here)
        welcome = await self._visitors.welcome(request)
        session = UNKNOWN if welcome.identity is None else status_of(welcome.identity)
        response = self._rendering.page(template, context, session, status=status.value, notice=notice, here=here)
        self._visitors.remember(welcome, response)
        if notice is not None:
            self._notices.forget(response)
        return response

    def part(self, request: Request, template: str, session: SessionStatus) -> Response:
        """A part of a page, for the page that asks for it."""
        return self._rendering.page(template, {}, session, here=place_of(request))


def place_of(request: Request) -> str:
    """The address of the page that is shown, where somebody could come back to; of what a page sends or asks for, that
    of the page."""
    url: URL | SplitResult = request.url
    if request.method == "POST" or url.path == SESSION_PATH:
        try:
            url = urlsplit(request.headers.get("referer", ""))
        except ValueError:  # not written by a browser
            return "/"
    place = f"{url.path}?{url.query}" if url.query else url.path
    if len(place) > NEXT_CHARACTERS_MAX:
        place = url.path
    return "/" if place.startswith("/signin") else site_path_of(place, "/")
