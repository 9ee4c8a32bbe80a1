"""What an issuer says of itself (OpenID Connect Discovery 1.0), asked when it is needed and kept for an hour.

Only what is named here is taken over: Authlib passes on whatever such a document holds to its HTTP client, which would
let an issuer choose our proxies.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import httpx2
import msgspec

from server.auth.providers.provider import ProviderFailure, Trouble
from server.auth.providers.transport import ProviderTransport, client_options
from server.domain.loopback import is_loopback

KEPT_SECONDS: Final = 3_600.0
"""Keys that an issuer has withdrawn are believed no longer than this."""
FAILED_SECONDS: Final = 1.0
"""For so long an issuer that failed is not asked again: whoever waits is told at once."""
PATH: Final = "/.well-known/openid-configuration"

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""With which an ID token may be signed: those with a key that only the issuer has. Never ``none``, never a secret."""

_Url = Annotated[str, msgspec.Meta(max_length=2_000)]


class _Document(msgspec.Struct, frozen=True):
    issuer: _Url
    authorization_endpoint: _Url
    token_endpoint: _Url
    jwks_uri: _Url
    userinfo_endpoint: _Url | None = None
    id_token_signing_alg_values_supported: Sequence[str] = ("RS256",)
    token_endpoint_auth_methods_supported: Sequence[str] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of an issuer.

    Attributes:
        algorithms: with which its ID tokens may be signed.
        auth_method: how we prove who we are at its token endpoint.
        names_itself: whether every answer through the browser names the issuer (RFC 9207).
    """

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    algorithms: Sequence[str]
    auth_method: str
    names_itself: bool


class Discovery:
    """Asks one issuer."""

    def __init__(self, issuer: str, transport: ProviderTransport, *, now: Callable[[], float] = time.monotonic) -> None:
        """Nothing is asked yet.

        Args:
            issuer: from the configuration, without a slash that the issuer itself does not have.
            transport: the way there.
            now: seconds of a clock that never goes back.
        """
        self._issuer = issuer
        self._transport = transport
        self._now = now
        self._asking = asyncio.Lock()
        self._read: tuple[float, Metadata] | None = None
        self._failed: tuple[float, Trouble, str] | None = None

    async def read(self) -> Metadata:
        """The issuer as it was at most an hour ago; many who wait ask once.

        Raises:
            ProviderFailure: unreachable; untrusted, it claims to be somebody else, or leads to unsafe places.
        """
        async with self._asking:
            if self._read is not None and self._now() < self._read[0] + KEPT_SECONDS:
                return self._read[1]
            if self._failed is not None and self._now() < self._failed[0] + FAILED_SECONDS:
                raise ProviderFailure(*self._failed[1:])
            try:
                metadata = self._checked(await self._fetch())
            except ProviderFailure as failure:
                self._failed = self._now(), failure.trouble, str(failure)  # not itself: it holds on to who asked
                raise
            self._read = self._now(), metadata
            return metadata

    async def _fetch(self) -> _Document:
        options: Any = client_options(self._transport)
        try:
            async with httpx2.AsyncClient(**options) as http:
                answer = await http.get(self._issuer.rstrip("/") + PATH)
                answer.raise_for_status()
        except httpx2.HTTPError as error:
            raise ProviderFailure(Trouble.UNREACHABLE, f"{type(error).__name__} at discovery") from error
        try:
            return msgspec.json.decode(answer.content, type=_Document)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ProviderFailure(Trouble.UNTRUSTED, "the issuer's own description cannot be read") from error

    def _checked(self, document: _Document) -> Metadata:
        if document.issuer != self._issuer:
            raise ProviderFailure(Trouble.UNTRUSTED, "the issuer says that it is another one")
        algorithms = [name for name in document.id_token_signing_alg_values_supported if name in ALGORITHMS]
        if not algorithms:
            raise ProviderFailure(Trouble.UNTRUSTED, "the issuer signs with nothing that could be believed")
        endpoints = (document.authorization_endpoint, document.token_endpoint, document.jwks_uri)
        for endpoint in (*endpoints, document.userinfo_endpoint or document.token_endpoint):
            if not is_safe_address(endpoint, self._issuer):
                raise ProviderFailure(Trouble.UNTRUSTED, "the issuer leads to an address without TLS")
        methods = document.token_endpoint_auth_methods_supported
        return Metadata(
            authorization_endpoint=document.authorization_endpoint,
            token_endpoint=document.token_endpoint,
            jwks_uri=document.jwks_uri,
            userinfo_endpoint=document.userinfo_endpoint,
            algorithms=algorithms,
            auth_method="client_secret_basic" if "client_secret_basic" in methods else "client_secret_post",
            names_itself=document.authorization_response_iss_parameter_supported,
        )


def is_safe_address(url: str, issuer: str) -> bool:
    """Whether an issuer may send us there: over TLS, or on this machine where the issuer is on this machine too."""
    try:
        parts, home = urlsplit(url), urlsplit(issuer)
        _ = parts.port  # raises ValueError where it is none
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or " " in url or not url.isprintable():
        return False
    is_at_home = home.scheme == "http" and is_loopback(home.hostname or "") and is_loopback(parts.hostname)
    return parts.scheme == "https" or (parts.scheme == "http" and is_at_home)
