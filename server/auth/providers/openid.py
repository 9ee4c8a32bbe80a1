"""An OpenID Connect issuer, Google among them: who somebody is stands in a signed ID token."""

import hmac
from collections.abc import Mapping
from typing import Any, Final

from authlib.integrations.starlette_client import OAuthError

from server.auth.attempts import Attempt
from server.auth.providers.authlib_client import depart, make_client, tokens_of, troubles_named
from server.auth.providers.discovery import Discovery, Metadata
from server.auth.providers.options import ProviderOptions
from server.auth.providers.profiles import profile_of_claims
from server.auth.providers.provider import Departure, Identified, ProviderFailure, ProviderTokens, Trouble
from server.auth.providers.transport import ProviderTransport

SCOPE: Final = "openid email profile"
LEEWAY_SECONDS: Final = 120
"""By how much the issuer's clock may differ from ours."""
_OURS: Final = frozenset({"access_denied", "consent_required", "interaction_required", "login_required"})
_THEIRS: Final = frozenset({"server_error", "temporarily_unavailable"})
_WITHDRAWN: Final = frozenset({"invalid_grant", "bad_refresh_token"})
"""What says that a refresh token is worth nothing any more (RFC 6749, 5.2; GitHub)."""


class OpenIdProvider:
    """One issuer."""

    type: Final = "oidc"

    def __init__(self, options: ProviderOptions, transport: ProviderTransport) -> None:
        if options.base_url is None:
            raise ValueError("an issuer has an address")
        self.name = options.name
        self.label = options.label
        self._issuer = options.base_url
        self._options = options
        self._transport = transport
        self._discovery = Discovery(options.base_url, transport)
        self._client: tuple[Metadata, Any] | None = None

    async def depart(self, redirect_uri: str) -> Departure:
        """See `Provider.depart`."""
        async with troubles_named(self.name):
            _, client = await self._ask()
            return await depart(client, redirect_uri)

    async def identify(self, answer: Mapping[str, str], attempt: Attempt) -> Identified:
        """See `Provider.identify`."""
        async with troubles_named(self.name):
            metadata, client = await self._ask()
            refuse_other_issuers(answer, self._issuer, is_told=metadata.names_itself)
            code = code_of(answer)
            token = await client.fetch_access_token(
                code=code, redirect_uri=attempt.redirect_uri, code_verifier=attempt.verifier
            )
            tokens = tokens_of(token)
            if tokens.id_token is None or not attempt.nonce:
                raise ProviderFailure(Trouble.UNTRUSTED, "an answer without an ID token")
            claims = await self._claims(client, token, attempt.nonce)
            if metadata.userinfo_endpoint is not None and ("email" not in claims or "name" not in claims):
                more = await self._more_claims(client, metadata.userinfo_endpoint, token, claims["sub"])
                claims = both_claims(claims, more)
            return Identified(profile_of_claims(claims), tokens)

    async def refresh(self, refresh_token: str) -> ProviderTokens:
        """See `Provider.refresh`."""
        async with troubles_named(self.name):
            metadata, client = await self._ask()
            return await refresh(client, metadata.token_endpoint, refresh_token)

    async def _ask(self) -> tuple[Metadata, Any]:
        """The issuer as it is now, with a client of its own: its keys are forgotten together with the rest."""
        metadata = await self._discovery.read()
        if self._client is None or self._client[0] is not metadata:
            made = make_client(
                self._options,
                self._transport,
                scope=SCOPE,
                auth_method=metadata.auth_method,
                authorize_url=metadata.authorization_endpoint,
                access_token_url=metadata.token_endpoint,
                issuer=self._issuer,
                jwks_uri=metadata.jwks_uri,
                id_token_signing_alg_values_supported=list(metadata.algorithms),
            )
            self._client = metadata, made
        return self._client

    async def _claims(self, client: Any, token: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """What a verified ID token says (OpenID Connect Core 1.0, 3.1.3.7).

        Authlib checks signature, issuer, times, nonce and authorized party. It takes an audience that is not ours where
        the authorized party is; so that is looked at here.
        """
        claims = dict(await client.parse_id_token(token, nonce=nonce, leeway=LEEWAY_SECONDS))
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if self._options.client_id not in audience:
            raise ProviderFailure(Trouble.UNTRUSTED, "an ID token for somebody else")
        return claims

    async def _more_claims(self, client: Any, url: str, token: Mapping[str, Any], subject: str) -> dict[str, Any]:
        """What the userinfo endpoint adds; it speaks of somebody else where its subject is another (5.3.2)."""
        answer = await client.get(url, token=token)
        answer.raise_for_status()
        claims = answer.json()
        if claims["sub"] != subject:
            raise ProviderFailure(Trouble.UNTRUSTED, "the userinfo endpoint speaks of somebody else")
        return dict(claims)


def both_claims(signed: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """What an ID token and the userinfo endpoint say together; where both speak, the token counts.

    Whoever names the address says whether it is proven: one that is vouched for does not vouch for another.
    """
    teller = more if signed.get("email") is None else signed
    told = {name: value for name, value in signed.items() if value is not None}
    return {**more, **told, **{name: teller.get(name) for name in ("email", "email_verified")}}


def refuse_other_issuers(answer: Mapping[str, str], issuer: str, *, is_told: bool) -> None:
    """Check who the answer through the browser claims to come from (RFC 9207, 2.4), before anything is sent there.

    Args:
        answer: the query of the callback.
        issuer: whom the browser was sent to.
        is_told: whether this issuer always says so.

    Raises:
        ProviderFailure: untrusted: another one, or it is missing where it always stands.
    """
    told = answer.get("iss")
    if told is None and not is_told:
        return
    if told is None or not hmac.compare_digest(told.encode(), issuer.encode()):
        raise ProviderFailure(Trouble.UNTRUSTED, "the answer is another issuer's")


def code_of(answer: Mapping[str, str]) -> str:
    """The code that is exchanged.

    Raises:
        ProviderFailure: denied, unreachable: the provider says so; untrusted: it says nothing.
    """
    error = answer.get("error")
    if error is not None:
        trouble = Trouble.UNREACHABLE if error in _THEIRS else Trouble.DENIED
        raise ProviderFailure(trouble, error if error in _OURS | _THEIRS else "another error")
    code = answer.get("code")
    if not code:
        raise ProviderFailure(Trouble.UNTRUSTED, "an answer without a code")
    return code


async def refresh(client: Any, token_endpoint: str, refresh_token: str) -> ProviderTokens:
    """New tokens, through a client of Authlib's; see `Provider.refresh`."""
    async with client._get_oauth_client(**client.server_metadata) as http:  # noqa: SLF001 - it has no other way
        try:
            token = await http.refresh_token(token_endpoint, refresh_token=refresh_token)
        except OAuthError as error:
            if error.error in _WITHDRAWN:
                raise ProviderFailure(Trouble.DENIED, error.error) from error
            raise
    return tokens_of(token)
