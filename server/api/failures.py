"""Whatever goes wrong on the way to an answer, as an answer: a page for people, a problem document for programs."""

import secrets
from http import HTTPStatus
from typing import Final

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.problems import Problem, document_of, problem_of
from server.api.rendering import Rendering
from server.api.session_status import UNKNOWN, SessionStatus, status_of
from server.api.welcoming import place_of
from server.auth.visitors import Visitors
from server.domain.errors import Code, Refusal

MACHINE_PREFIXES: Final = ("/api/", "/healthz", "/readyz", "/static/", "/webhooks/")
"""Where problems are documents, whatever the caller accepts."""

CODE_OF_STATUS: Final = {
    HTTPStatus.UNAUTHORIZED: Code.NOT_FOUND,  # a static file that may not be read
    HTTPStatus.NOT_FOUND: Code.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Code.TOO_LARGE,
}
"""The framework's own refusals; every other one is a bad request."""

REFERENCE_BYTES: Final = 4

log = structlog.get_logger(__name__)


class ErrorAnswers:
    """Makes the answers: documents for programs, and pages that know who is signed in where that can be asked."""

    def __init__(self, rendering: Rendering, visitors: Visitors) -> None:
        self._rendering = rendering
        self._visitors = visitors

    async def answer(self, request: Request, error: Exception) -> Response:
        """The answer to a refusal, an HTTP error of the framework, or a mistake of ours (500, logged with a
        reference)."""
        problem = _problem_of(request, error)
        response = document_of(problem)
        if _wants_page(request):
            response = await self._page(request, problem, response)
        if isinstance(error, HTTPException):
            response.headers.update(error.headers or {})
        return response

    async def _page(self, request: Request, problem: Problem, document: Response) -> Response:
        context = {
            "status": problem.status,
            "message": problem.detail,
            "needed_role": (problem.details or {}).get("role"),
            "reference": problem.reference,
            "is_channel": request.url.path.startswith("/c/"),
            "is_form": request.method == "POST",
        }
        session = await self._session(request, problem.status)
        place = place_of(request)
        page = self._rendering.page("error.html", context, session, status=problem.status, here=place)
        for name in ("cache-control", "retry-after"):
            if name in document.headers:
                page.headers[name] = document.headers[name]
        return page

    async def _session(self, request: Request, status: int) -> SessionStatus:
        """Who is signed in. That is not asked where it may be just what has failed, and not for whoever asks too often:
        those pages ask for themselves."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
            return UNKNOWN
        try:
            return status_of(await self._visitors.find(request))
        except Refusal as refusal:
            log.warning("identity_not_read", error=repr(refusal.__cause__))
            return UNKNOWN


class Failures:
    """The middleware: it stands around everything that may fail, and inside what adds to every answer."""

    def __init__(self, app: ASGIApp, errors: ErrorAnswers) -> None:
        self._app = app
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; answer what fails before an answer began.

        Raises:
            Exception: it failed later: the server cuts the connection, so that nobody takes a part for the whole.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = False

        async def send_noted(message: Message) -> None:
            nonlocal began
            began = began or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except ClientDisconnect:  # before its request was read: nobody is there to be answered
            log.info("client_left", route=route_of(scope))
        except Exception as error:
            if began:
                raise
            response = await self._errors.answer(Request(scope, receive), error)
            await response(scope, receive, send)


def _problem_of(request: Request, error: Exception) -> Problem:
    if isinstance(error, HTTPException):
        code = CODE_OF_STATUS.get(HTTPStatus(error.status_code), Code.BAD_REQUEST)
        status = HTTPStatus.NOT_FOUND if code is Code.NOT_FOUND else error.status_code
        return problem_of(Refusal(code, f"{HTTPStatus(status).phrase}."), status=status)
    reference = secrets.token_hex(REFERENCE_BYTES).upper()
    if isinstance(error, Refusal):
        if not error.our_fault:
            return problem_of(error)
        log.error("request_refused", code=error.code.value, reference=reference, route=route_of(request.scope))
        return problem_of(error, reference=reference)
    log.error("request_failed", reference=reference, route=route_of(request.scope), exc_info=error)
    return problem_of(Refusal(Code.INTERNAL, "Something broke on our side."), reference=reference)


def route_of(scope: Scope) -> str:
    """The path's pattern, such as ``/c/{name}``: logs name no channel, chat or search. Empty where no route fits."""
    return str(getattr(scope.get("route"), "path", ""))


def _wants_page(request: Request) -> bool:
    if request.url.path.startswith(MACHINE_PREFIXES):
        return False
    accepted = request.headers.get("accept", "*/*").lower()
    return "text/html" in accepted or "*/*" in accepted
