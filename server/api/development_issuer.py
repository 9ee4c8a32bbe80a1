"""The development sign-in over HTTP: an application of its own, mounted where it is wanted and nowhere else.

It is no part of this site's interface: a provider like any other, which happens to live in this process.
"""

import base64
import binascii
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote_plus, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from server.api.forms import read_form
from server.api.rendering import Rendering
from server.api.security_headers import OPENED, OPENER, POLICY, content_security_policy
from server.api.session_status import UNKNOWN
from server.auth.development import PEOPLE, Asked, DevelopmentIssuer, OAuthRefusal, person_of
from server.auth.making import DEVELOPMENT_PATH
from server.auth.origins import Origins
from server.domain.errors import Code, Refusal

ASKED: Final = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)
"""What a browser comes with, and the form of the page sends back."""


class DevelopmentPages:
    """`/development-sign-in/…`."""

    def __init__(self, issuer: DevelopmentIssuer, rendering: Rendering, origins: Origins) -> None:
        self._issuer = issuer
        self._rendering = rendering
        self._origins = origins

    async def metadata(self, request: Request) -> Response:
        """What it says of itself."""
        return JSONResponse(dict(self._issuer.metadata()))

    async def keys(self, request: Request) -> Response:
        """Its public key."""
        return JSONResponse(dict(self._issuer.keys()))

    async def choose(self, request: Request) -> Response:
        """The page on which somebody says who they are."""
        query = dict(request.query_params)
        try:
            asked = self._issuer.asked(query)
        except OAuthRefusal as refusal:
            return self._refused(query, refusal)
        return self._page(query, asked, problem=None)

    async def chosen(self, request: Request) -> Response:
        """The form of that page: back with a code, or with word that it was cancelled."""
        if not self._origins.allows(request.headers):
            raise Refusal(Code.FORBIDDEN, "This needs the Origin of one of our own pages.")
        fields = await read_form(request)
        try:
            asked = self._issuer.asked(fields)
        except OAuthRefusal as refusal:
            return self._refused(fields, refusal)
        if "cancel" in fields:
            return self._back(asked.redirect_uri, error="access_denied", state=asked.state)
        person = person_of(fields)
        if person is None:
            return self._page(fields, asked, problem="Choose somebody, or write a name of at most 60 characters.")
        return self._back(asked.redirect_uri, code=self._issuer.grant(asked, person), state=asked.state)

    async def token(self, request: Request) -> Response:
        """Tokens for a code or a refresh token; programs ask, no browser."""
        try:
            client = self._issuer.client(*_credentials(request))
            answer = self._issuer.answer(client, await read_form(request))
        except OAuthRefusal as refusal:
            is_stranger = refusal.error == "invalid_client"
            status = HTTPStatus.UNAUTHORIZED if is_stranger else HTTPStatus.BAD_REQUEST
            headers = {"www-authenticate": "Basic"} if is_stranger else None
            return JSONResponse({"error": refusal.error, "error_description": str(refusal)}, status, headers)
        return JSONResponse(dict(answer), headers={"cache-control": "no-store"})

    def _page(self, query: dict[str, str], asked: Asked, *, problem: str | None) -> Response:
        context: dict[str, Any] = {
            "people": PEOPLE,
            "asked": [(name, query[name]) for name in ASKED if name in query],
            "back_to": urlsplit(asked.redirect_uri).netloc,
            "problem": problem,
        }
        status = HTTPStatus.OK if problem is None else HTTPStatus.BAD_REQUEST
        page = self._rendering.page("development-sign-in.html", context, UNKNOWN, status=status.value)
        # Browsers follow a form's redirect only to where the policy allows: here to the client as well.
        way_back = f"form-action 'self' {_origin_of(asked.redirect_uri)}"
        page.headers[POLICY] = content_security_policy().replace("form-action 'self'", way_back)
        page.headers[OPENER] = OPENED  # as other providers' pages: who has opened the window may wait for it
        return page

    def _refused(self, query: dict[str, str], refusal: OAuthRefusal) -> Response:
        if not refusal.is_for_browser:
            raise Refusal(Code.BAD_REQUEST, str(refusal))
        return self._back(query["redirect_uri"], error=refusal.error, state=query.get("state", ""))

    def _back(self, redirect_uri: str, **words: str) -> Response:
        """To the client, saying who sends the browser (RFC 9207)."""
        query = urlencode({name: word for name, word in words.items() if word} | {"iss": self._issuer.issuer})
        return RedirectResponse(f"{redirect_uri}?{query}", HTTPStatus.SEE_OTHER.value, {OPENER: OPENED})


def development_mount(issuer: DevelopmentIssuer, rendering: Rendering, origins: Origins) -> Mount:
    """Where it is on this site."""
    pages = DevelopmentPages(issuer, rendering, origins)
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", pages.metadata),
            Route("/jwks", pages.keys),
            Route("/authorize", pages.choose, methods=["GET"]),
            Route("/authorize", pages.chosen, methods=["POST"]),
            Route("/token", pages.token, methods=["POST"]),
        ]
    )
    return Mount(DEVELOPMENT_PATH, app.router)


def _credentials(request: Request) -> tuple[str, str]:
    """Client and secret (RFC 6749, 2.3.1).

    Raises:
        OAuthRefusal: invalid_client: there are none.
    """
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    try:
        name, colon, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name, colon, secret = "", "", ""
    if scheme.lower() != "basic" or not colon:
        raise OAuthRefusal("invalid_client", "A client proves who it is with HTTP Basic.")
    return unquote_plus(name), unquote_plus(secret)


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
