"""GitHub and Facebook as they answer on the wire, on this machine: they cost an account each, and are elsewhere."""

import contextlib
import hmac
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from server.auth.providers.facebook import GRAPH_VERSION
from server.auth.providers.options import ProviderKind, ProviderOptions
from server.serving import listen
from tests.support.servers import serving

CLIENT_ID = "a-client"
CLIENT_SECRET = "the secret of that client there"
OCTOCAT = {"id": 583231, "login": "octocat", "name": "The Octocat", "avatar_url": "https://avatars.example/1"}
EMAILS = [
    {"email": "old@people.example", "primary": False, "verified": True},
    {"email": "octocat@people.example", "primary": True, "verified": True},
]
PERSON = {
    "id": "10222",
    "name": "Mara Keller",
    "email": "mara@people.example",
    "picture": {"data": {"url": "http://x"}},
}


@dataclass
class Social:
    """Both of them, at one address.

    Attributes:
        user: what GitHub says of the person.
        emails: what it says of their addresses.
        emails_status: and the status with which it says so.
        person: what Facebook says.
        token: what the token endpoints answer beside the token; an error instead of it where there is one.
    """

    url: str
    user: dict[str, Any] = field(default_factory=lambda: dict(OCTOCAT))
    emails: Any = field(default_factory=lambda: list(EMAILS))
    emails_status: int = 200
    person: dict[str, Any] = field(default_factory=lambda: dict(PERSON))
    token: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)

    def options(self, kind: ProviderKind, label: str) -> ProviderOptions:
        return ProviderOptions(kind.value, label, kind, CLIENT_ID, CLIENT_SECRET, self.url)

    async def authorize(self, request: Request) -> Response:
        asked = request.query_params
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked["code_challenge"]
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", 303)

    async def exchange(self, request: Request) -> Response:
        fields = dict(parse_qsl((await request.body()).decode()))
        challenge = self.codes.pop(fields.get("code", ""), None)
        is_client = (fields["client_id"], fields["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)
        if not is_client or challenge != create_s256_code_challenge(fields["code_verifier"]):
            return JSONResponse({"error": "bad_verification_code"})  # with 200, as GitHub does
        token = secrets.token_urlsafe(16)
        self.tokens.add(token)
        return JSONResponse({"access_token": token, "token_type": "bearer", **self.token})

    def _is_known(self, request: Request) -> bool:
        return request.headers.get("authorization", "").removeprefix("Bearer ") in self.tokens

    async def github_user(self, request: Request) -> Response:
        return JSONResponse(self.user) if self._is_known(request) else JSONResponse({}, 401)

    async def github_emails(self, request: Request) -> Response:
        return JSONResponse(self.emails, self.emails_status) if self._is_known(request) else JSONResponse({}, 401)

    async def facebook_me(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        proof = hmac.new(CLIENT_SECRET.encode(), token.encode(), sha256).hexdigest()
        if not self._is_known(request) or request.query_params.get("appsecret_proof") != proof:
            return JSONResponse({"error": {"message": "Invalid appsecret_proof"}}, 400)
        asked = request.query_params["fields"].split(",")
        return JSONResponse({name: self.person[name] for name in asked if name in self.person})


@contextlib.asynccontextmanager
async def running_social() -> AsyncIterator[Social]:
    with listen("127.0.0.1", 0) as listener:
        social = Social(f"http://127.0.0.1:{listener.getsockname()[1]}")
        app = Starlette(
            routes=[
                Route("/login/oauth/authorize", social.authorize),
                Route("/login/oauth/access_token", social.exchange, methods=["POST"]),
                Route("/api/v3/user", social.github_user),
                Route("/api/v3/user/emails", social.github_emails),
                Route(f"/{GRAPH_VERSION}/dialog/oauth", social.authorize),
                Route(f"/{GRAPH_VERSION}/oauth/access_token", social.exchange, methods=["POST"]),
                Route(f"/{GRAPH_VERSION}/me", social.facebook_me),
            ]
        )
        async with serving(app, listener):
            yield social
