"""The development sign-in as a server of its own, and one that lies about whatever a test says."""

import base64
import contextlib
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.api.development_issuer import DevelopmentPages
from server.api.rendering import Rendering
from server.api.static_files import Assets
from server.auth.development import ALGORITHM, Asked, DevelopmentClient, DevelopmentIssuer, Person
from server.auth.origins import Origins
from server.auth.providers.options import ProviderKind, ProviderOptions, SignInOptions
from server.serving import listen
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.servers import serving

ROOT: Final = Path(__file__).parents[2]
CLIENT_ID: Final = "a-client"
CLIENT_SECRET: Final = "the secret of that client at that issuer"

Change = Callable[[dict[str, Any]], dict[str, Any]]


def _truth(said: dict[str, Any]) -> dict[str, Any]:
    return said


@dataclass
class Lies:
    """What the issuer says instead of the truth.

    Attributes:
        claims: changes the claims of an ID token.
        description: changes what it says of itself.
        answer: changes what the token endpoint answers.
        written: changes the bytes of that answer.
        userinfo: what the userinfo endpoint answers; there is none where this is empty.
        algorithm: with which it signs; ``none`` signs nothing, ``HS256`` with its public key.
        has_wrong_key: whether it signs with another key under the same id.
        kid: the key that it names; its own where this is empty.
        seconds: by how much its clock is ahead.
    """

    claims: Change = _truth
    description: Change = _truth
    answer: Change = _truth
    written: Callable[[bytes], bytes] = bytes
    userinfo: dict[str, Any] = field(default_factory=dict)
    algorithm: str = ALGORITHM
    has_wrong_key: bool = False
    kid: str = ""
    seconds: float = 0.0


class LyingIssuer(DevelopmentIssuer):
    """Tells the truth until it is told to lie."""

    lies: Lies

    def change_key(self) -> None:
        """Sign with another key from now on; the old one is gone from its keys."""
        self._key = ECKey.generate_key("P-256", {"kid": secrets.token_hex(8), "use": "sig"})

    def metadata(self) -> Mapping[str, Any]:
        more = {"userinfo_endpoint": f"{self.issuer}/userinfo"} if self.lies.userinfo else {}
        return self.lies.description(dict(super().metadata()) | more)

    def answer(self, client: DevelopmentClient, fields: Mapping[str, str]) -> Mapping[str, Any]:
        return self.lies.answer(dict(super().answer(client, fields)))

    def _claims(self, asked: Asked, person: Person) -> dict[str, Any]:
        claims = super()._claims(asked, person)
        for name in ("iat", "exp"):
            claims[name] += int(self.lies.seconds)
        return self.lies.claims(claims)

    def _signed(self, claims: Mapping[str, Any]) -> str:
        header = {"alg": self.lies.algorithm, "kid": self.lies.kid or self._key.kid, "typ": "JWT"}
        if self.lies.algorithm == ALGORITHM:
            key = ECKey.generate_key("P-256") if self.lies.has_wrong_key else self._key
            return jwt.encode(header, dict(claims), key)
        signed = f"{_part(header)}.{_part(dict(claims))}"
        public_key = self._key.as_pem(private=False)
        signature = hmac.digest(public_key, signed.encode(), "sha256") if self.lies.algorithm == "HS256" else b""
        return f"{signed}.{_base64(signature)}"


def _part(said: dict[str, Any]) -> str:
    return _base64(json.dumps(said).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@dataclass
class RunningIssuer:
    """An issuer that answers on a port of its own.

    Attributes:
        redirect_uris: where it may send browsers back to.
        asked: the paths that were asked, in order.
    """

    issuer: LyingIssuer
    redirect_uris: list[str]
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.issuer.issuer

    @property
    def lies(self) -> Lies:
        return self.issuer.lies

    @lies.setter
    def lies(self, lies: Lies) -> None:
        self.issuer.lies = lies

    def options(self, name: str, label: str) -> ProviderOptions:
        """It as a provider of a gateway."""
        return ProviderOptions(name, label, ProviderKind.OIDC, CLIENT_ID, CLIENT_SECRET, self.url)


@contextlib.asynccontextmanager
async def running_issuer(redirect_uris: list[str]) -> AsyncIterator[RunningIssuer]:
    """Run one; the list of where it may send browsers back to may grow later."""
    with listen("127.0.0.1", 0) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        issuer = LyingIssuer(url, url, [DevelopmentClient(CLIENT_ID, CLIENT_SECRET, redirect_uris)])
        issuer.lies = Lies()
        running = RunningIssuer(issuer, redirect_uris)
        rendering = Rendering(ROOT / "templates", Assets(ROOT / "static"))
        pages = DevelopmentPages(issuer, rendering, Origins([url]))

        def noted(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
            async def note(request: Request) -> Response:
                running.asked.append(request.url.path)
                response: Response = await answer(request)
                return response

            return note

        async def token(request: Request) -> Response:
            answer = await pages.token(request)
            return Response(issuer.lies.written(bytes(answer.body)), answer.status_code, media_type="application/json")

        async def userinfo(request: Request) -> Response:
            assert request.headers["authorization"].startswith("Bearer ")
            return JSONResponse(issuer.lies.userinfo)

        app = Starlette(
            routes=[
                Route("/userinfo", noted(userinfo)),
                Route("/.well-known/openid-configuration", noted(pages.metadata)),
                Route("/jwks", noted(pages.keys)),
                Route("/authorize", noted(pages.choose), methods=["GET"]),
                Route("/authorize", noted(pages.chosen), methods=["POST"]),
                Route("/token", noted(token), methods=["POST"]),
            ]
        )
        async with serving(app, listener):
            yield running


@contextlib.asynccontextmanager
async def gateway_with(postgres_url: str, redis_url: str, issuer: RunningIssuer) -> AsyncIterator[LocalGateway]:
    """A gateway at which people sign in through this issuer alone, as `tide`."""
    options = SignInOptions([issuer.options("tide", "Tide")])
    async with local_gateway(postgres_url, redis_url, sign_in=options) as running:
        issuer.redirect_uris.append(f"{running.url}/signin/tide/callback")
        yield running
