"""GitHub, which has no ID token: who somebody is stands at its API, under the token that the code was exchanged for."""

from collections.abc import Mapping
from typing import Any, Final

from server.auth.attempts import Attempt
from server.auth.providers.authlib_client import depart, make_client, tokens_of, troubles_named
from server.auth.providers.openid import code_of, refresh
from server.auth.providers.options import ProviderOptions
from server.auth.providers.profiles import profile_of
from server.auth.providers.provider import Departure, Identified, Profile, ProviderFailure, ProviderTokens, Trouble
from server.auth.providers.transport import ProviderTransport

GITHUB_URL: Final = "https://github.com"
GITHUB_API_URL: Final = "https://api.github.com"
SCOPE: Final = "read:user user:email"
_NOT_SHOWN: Final = frozenset({403, 404})


class GitHub:
    """GitHub itself, or a server that speaks as it does."""

    type: Final = "oauth"

    def __init__(self, options: ProviderOptions, transport: ProviderTransport) -> None:
        self.name = options.name
        self.label = options.label
        own = options.base_url
        self._api_url = GITHUB_API_URL if own is None else f"{own}/api/v3"
        self._token_url = f"{own or GITHUB_URL}/login/oauth/access_token"
        self._client = make_client(
            options,
            transport,
            scope=SCOPE,
            auth_method="client_secret_post",
            authorize_url=f"{own or GITHUB_URL}/login/oauth/authorize",
            access_token_url=self._token_url,
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
        """See `Provider.refresh`."""
        async with troubles_named(self.name):
            return await refresh(self._client, self._token_url, refresh_token)

    async def _profile(self, token: Mapping[str, Any]) -> Profile:
        user = await self._get("/user", token)
        number = user["id"]
        # Logins are given away and taken again; the number never is.
        if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
            raise ProviderFailure(Trouble.UNTRUSTED, "a user without a number")
        verified = [entry["email"] for entry in await self._emails(token) if _is_theirs(entry)]
        return profile_of(
            subject=str(number),
            name=user.get("name") or user.get("login"),
            email=verified[0] if verified else None,
            email_verified=bool(verified),
            image=user.get("avatar_url"),
        )

    async def _emails(self, token: Mapping[str, Any]) -> Any:
        """Their addresses; a GitHub App that was not given the permission to see them goes without."""
        answer = await self._ask("/user/emails", token)
        if answer.status_code in _NOT_SHOWN:
            return []
        answer.raise_for_status()
        return answer.json()

    async def _get(self, path: str, token: Mapping[str, Any]) -> Any:
        answer = await self._ask(path, token)
        answer.raise_for_status()
        return answer.json()

    async def _ask(self, path: str, token: Mapping[str, Any]) -> Any:
        return await self._client.get(
            self._api_url + path, token=token, headers={"accept": "application/vnd.github+json"}
        )


def _is_theirs(entry: Mapping[str, Any]) -> bool:
    return entry["primary"] is True and entry["verified"] is True
