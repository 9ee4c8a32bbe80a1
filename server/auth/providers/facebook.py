"""Facebook, asked through its Graph API: its OpenID Connect is "still in testing" by its own account."""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from server.auth.attempts import Attempt
from server.auth.providers.authlib_client import depart, make_client, tokens_of, troubles_named
from server.auth.providers.openid import code_of
from server.auth.providers.options import ProviderOptions
from server.auth.providers.profiles import profile_of
from server.auth.providers.provider import Departure, Identified, Profile, ProviderFailure, ProviderTokens, Trouble
from server.auth.providers.transport import ProviderTransport

FACEBOOK_URL: Final = "https://www.facebook.com"
GRAPH_URL: Final = "https://graph.facebook.com"
GRAPH_VERSION: Final = "v23.0"
SCOPE: Final = "public_profile email"
FIELDS: Final = "id,name,email,picture"


class Facebook:
    """Facebook itself, or a server that speaks as it does."""

    type: Final = "oauth"

    def __init__(self, options: ProviderOptions, transport: ProviderTransport) -> None:
        self.name = options.name
        self.label = options.label
        self._secret = options.client_secret
        self._graph_url = f"{options.base_url or GRAPH_URL}/{GRAPH_VERSION}"
        self._client = make_client(
            options,
            transport,
            scope=SCOPE,
            auth_method="client_secret_post",
            authorize_url=f"{options.base_url or FACEBOOK_URL}/{GRAPH_VERSION}/dialog/oauth",
            access_token_url=f"{self._graph_url}/oauth/access_token",
        )

    async def depart(self, redirect_uri: str) -> Departure:
        """See `Provider.depart`."""
        return await depart(self._client, redirect_uri)

    async def identify(self, answer: Mapping[str, str], attempt: Attempt) -> Identified:
        """See `Provider.identify`."""
        async with troubles_named(self.name):
            token = await self._client.fetch_access_token(
                code=code_of(answer), redirect_uri=attempt.redirect_uri, code_verifier=attempt.verifier
            )
            return Identified(await self._profile(token), tokens_of(token))

    async def refresh(self, refresh_token: str) -> ProviderTokens:
        """See `Provider.refresh`; there are no refresh tokens here.

        Raises:
            ProviderFailure: denied, always.
        """
        raise ProviderFailure(Trouble.DENIED, "Facebook gives no refresh tokens")

    async def _profile(self, token: Mapping[str, Any]) -> Profile:
        # Proves that whoever uses the token knows the secret: it may have been given to another application.
        proof = hmac.new(self._secret.encode(), token["access_token"].encode(), sha256).hexdigest()
        answer = await self._client.get(
            f"{self._graph_url}/me", token=token, params={"fields": FIELDS, "appsecret_proof": proof}
        )
        answer.raise_for_status()
        user = answer.json()
        return profile_of(
            subject=user["id"],
            name=user.get("name"),
            email=user.get("email"),  # Facebook does not say whether it is theirs
            image=_picture(user),
        )


def _picture(user: Mapping[str, Any]) -> Any:
    """The address stands two levels down; whoever has no picture signs in without."""
    found: Any = user
    for name in ("picture", "data", "url"):
        found = found.get(name) if isinstance(found, dict) else None
    return found
