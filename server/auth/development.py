"""The development sign-in: a small OpenID Connect issuer of our own, at which anybody is whoever they like.

It checks what a real one checks: client, redirect address, PKCE (RFC 7636), codes that work once and for a minute. It
keeps everything in this process, so all of one sign-in has to happen at one gateway.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey

DEVELOPMENT: Final = "development"
LABEL: Final = "Development sign-in"
CODE_SECONDS: Final = 60.0
TOKEN_SECONDS: Final = 3_600
KEPT_MAX: Final = 1_000
"""Codes, and refresh tokens, that are kept at once; the oldest are forgotten."""
NAME_CHARACTERS_MAX: Final = 60
ALGORITHM: Final = "ES256"
_METHOD: Final = "S256"
_CHALLENGE_CHARACTERS: Final = 43


class OAuthRefusal(Exception):
    """A request that is refused in the words of RFC 6749.

    Attributes:
        error: one of its codes.
        is_for_browser: whether the browser goes back with it; else nobody knows where back is.
    """

    def __init__(self, error: str, why: str, *, is_for_browser: bool = False) -> None:
        super().__init__(why)
        self.error = error
        self.is_for_browser = is_for_browser


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to be."""

    subject: str
    name: str
    email: str | None = None


PEOPLE: Final = (
    Person("mara", "Mara Keller", "mara@people.example"),
    Person("jonas", "Jonas Weber", "jonas@people.example"),
    Person("amina", "Amina Diallo", "amina@people.example"),
    Person("lin", "Lin Zhao", "lin@people.example"),
    Person("teo", "Teo, who shows no e-mail address"),
)


@dataclass(frozen=True, slots=True)
class DevelopmentClient:
    """Who may ask it.

    Attributes:
        redirect_uris: exactly where browsers may be sent back to.
    """

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uris: Sequence[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a browser came with."""

    client: DevelopmentClient
    redirect_uri: str
    scope: str
    state: str
    nonce: str
    challenge: str


@dataclass(frozen=True, slots=True)
class _Grant:
    asked: Asked
    person: Person
    until_seconds: float


class DevelopmentIssuer:
    """The issuer, without its pages.

    Attributes:
        issuer: its name in tokens, and where it is asked from this machine.
    """

    def __init__(
        self,
        issuer: str,
        browser_url: str,
        clients: Sequence[DevelopmentClient],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Make its key.

        Args:
            issuer: see there.
            browser_url: the same place as browsers reach it.
            clients: who may ask.
            now: Unix time in seconds.
        """
        self.issuer = issuer
        self._browser_url = browser_url
        self._clients = {client.client_id: client for client in clients}
        self._now = now
        self._key = ECKey.generate_key("P-256", {"kid": secrets.token_hex(8), "use": "sig"})
        self._codes: dict[str, _Grant] = {}
        self._refresh_tokens: dict[str, _Grant] = {}

    def metadata(self) -> Mapping[str, Any]:
        """What it says of itself (OpenID Connect Discovery 1.0, 3)."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self._browser_url}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": [_METHOD],
            "authorization_response_iss_parameter_supported": True,
        }

    def keys(self) -> Mapping[str, Any]:
        """The public key (RFC 7517, 5)."""
        return {"keys": [self._key.as_dict(private=False)]}

    def asked(self, query: Mapping[str, str]) -> Asked:
        """Check what a browser came with.

        Raises:
            OAuthRefusal: no client of ours, or not all that is needed.
        """
        client = self._clients.get(query.get("client_id", ""))
        redirect_uri = query.get("redirect_uri", "")
        if client is None or redirect_uri not in client.redirect_uris:
            raise OAuthRefusal("invalid_request", "This client, or this way back, is not known.")
        asked = Asked(
            client=client,
            redirect_uri=redirect_uri,
            scope=query.get("scope", ""),
            state=query.get("state", ""),
            nonce=query.get("nonce", ""),
            challenge=query.get("code_challenge", ""),
        )
        if query.get("response_type") != "code" or "openid" not in asked.scope.split():
            raise OAuthRefusal("invalid_request", "Only the code flow of OpenID Connect.", is_for_browser=True)
        if query.get("code_challenge_method") != _METHOD or len(asked.challenge) != _CHALLENGE_CHARACTERS:
            raise OAuthRefusal("invalid_request", "PKCE with S256 is needed.", is_for_browser=True)
        return asked

    def grant(self, asked: Asked, person: Person) -> str:
        """A code for somebody who was chosen."""
        code = secrets.token_urlsafe(32)
        _keep(self._codes, code, _Grant(asked, person, self._now() + CODE_SECONDS))
        return code

    def answer(self, client: DevelopmentClient, fields: Mapping[str, str]) -> Mapping[str, Any]:
        """What the token endpoint answers (RFC 6749, 4.1.3 and 6).

        Raises:
            OAuthRefusal: invalid_grant, unsupported_grant_type.
        """
        match fields.get("grant_type"):
            case "authorization_code":
                return self.exchange(client, fields)
            case "refresh_token":
                return self.refresh(client, fields)
            case _:
                raise OAuthRefusal("unsupported_grant_type", "Codes and refresh tokens only.")

    def exchange(self, client: DevelopmentClient, fields: Mapping[str, str]) -> Mapping[str, Any]:
        """Tokens for a code, once; a code that was tried is gone, whatever came of it (RFC 6749, 4.1.3).

        Raises:
            OAuthRefusal: invalid_grant.
        """
        grant = self._codes.pop(fields.get("code", ""), None)
        if grant is None or grant.until_seconds <= self._now():
            raise OAuthRefusal("invalid_grant", "This code is not known, was used, or is too old.")
        if grant.asked.client is not client or grant.asked.redirect_uri != fields.get("redirect_uri"):
            raise OAuthRefusal("invalid_grant", "This code is somebody else's.")
        challenge = create_s256_code_challenge(fields.get("code_verifier", ""))
        if not hmac.compare_digest(challenge.encode(), grant.asked.challenge.encode()):
            raise OAuthRefusal("invalid_grant", "The verifier is not that of the challenge.")
        return self._tokens(grant, with_id_token=True)

    def refresh(self, client: DevelopmentClient, fields: Mapping[str, str]) -> Mapping[str, Any]:
        """New tokens for a refresh token, which is worth nothing afterwards (RFC 9700, 4.14.2).

        Raises:
            OAuthRefusal: invalid_grant.
        """
        grant = self._refresh_tokens.pop(fields.get("refresh_token", ""), None)
        if grant is None or grant.asked.client is not client:
            raise OAuthRefusal("invalid_grant", "This refresh token is not known, or was used.")
        return self._tokens(grant, with_id_token=False)

    def client(self, client_id: str, secret: str) -> DevelopmentClient:
        """Who asks at the token endpoint.

        Raises:
            OAuthRefusal: invalid_client.
        """
        client = self._clients.get(client_id)
        if client is None or not hmac.compare_digest(client.client_secret.encode(), secret.encode()):
            raise OAuthRefusal("invalid_client", "This client is not known.")
        return client

    def _tokens(self, grant: _Grant, *, with_id_token: bool) -> dict[str, Any]:
        refresh_token = secrets.token_urlsafe(32)
        _keep(self._refresh_tokens, refresh_token, grant)
        answer = {
            "access_token": secrets.token_urlsafe(32),
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "refresh_token": refresh_token,
            "scope": grant.asked.scope,
        }
        return answer | ({"id_token": self._signed(self._claims(grant.asked, grant.person))} if with_id_token else {})

    def _claims(self, asked: Asked, person: Person) -> dict[str, Any]:
        now = int(self._now())
        claims = {
            "iss": self.issuer,
            "aud": asked.client.client_id,
            "sub": person.subject,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "name": person.name,
        }
        claims |= {"nonce": asked.nonce} if asked.nonce else {}
        return claims | ({"email": person.email, "email_verified": True} if person.email else {})

    def _signed(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode({"alg": ALGORITHM, "kid": self._key.kid}, dict(claims), self._key)


def person_of(fields: Mapping[str, str]) -> Person | None:
    """Who was chosen: one of the people, or a name that was typed, which is the same person each time; None: nobody."""
    typed = " ".join(fields.get("name", "").split())
    if typed:
        if len(typed) > NAME_CHARACTERS_MAX or not typed.isprintable():
            return None
        return Person(f"typed-{sha256(typed.casefold().encode()).hexdigest()[:16]}", typed)
    return next((person for person in PEOPLE if person.subject == fields.get("person")), None)


def _keep(kept: dict[str, _Grant], key: str, grant: _Grant) -> None:
    kept[key] = grant
    while len(kept) > KEPT_MAX:
        del kept[next(iter(kept))]
