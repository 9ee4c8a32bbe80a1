"""Authlib's Starlette client as we use it: the code flow with PKCE, and its many errors as three troubles.

Its own handling of state is left aside, since that lives in a session that all pages would share: see `attempts.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import httpx2
import structlog
from authlib.integrations.starlette_client import OAuth, OAuthError
from joserfc.errors import JoseError

from server.auth.providers.options import ProviderOptions
from server.auth.providers.provider import Departure, ProviderFailure, ProviderTokens, Trouble
from server.auth.providers.transport import ProviderTransport, client_options

DEADLINE_SECONDS: Final = 10.0
"""For everything that one request of a browser needs to ask a provider."""
TOKEN_CHARACTERS_MAX: Final = 32_768
_FAR_SECONDS: Final = 10 * 365 * 86_400
_STUMBLES: Final = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""Whatever the library stumbles over was sent by somebody who is not to be believed."""
_TOLD_ERRORS: Final = frozenset(
    {
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
        # GitHub's
        "bad_verification_code",
        "incorrect_client_credentials",
        "redirect_uri_mismatch",
    }
)
"""With which token endpoints say what is wrong (RFC 6749, 5.2)."""

log = structlog.get_logger(__name__)


def make_client(
    options: ProviderOptions,
    transport: ProviderTransport,
    *,
    scope: str,
    auth_method: str,
    authorize_url: str,
    access_token_url: str,
    **metadata: Any,
) -> Any:
    """Authlib's client of one provider; it asks nothing by itself.

    Args:
        options: who we are there.
        transport: the way there.
        scope: what is asked for.
        auth_method: how we prove who we are when the code is exchanged.
        authorize_url: where browsers go.
        access_token_url: where the code is exchanged.
        metadata: of an issuer; nothing that the issuer itself may choose the names of.
    """
    return OAuth().register(
        options.name,
        client_id=options.client_id,
        client_secret=options.client_secret,
        authorize_url=authorize_url,
        access_token_url=access_token_url,
        client_kwargs={
            "scope": scope,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": auth_method,
            "leeway": 0,  # what lives for a minute only may be used in that minute, to ask who it is
            **client_options(transport),
        },
        **metadata,
    )


async def depart(client: Any, redirect_uri: str) -> Departure:
    """The way to the provider; see `Provider.depart`."""
    made: Mapping[str, str] = await client.create_authorization_url(redirect_uri)
    return Departure(made["url"], made["state"], made.get("nonce", ""), made["code_verifier"])


@asynccontextmanager
async def troubles_named(provider: str) -> AsyncIterator[None]:
    """Ask a provider in here: whatever goes wrong is a trouble, within ten seconds.

    Raises:
        ProviderFailure: unreachable: no answer, or an error of theirs; untrusted: an answer that proves nothing.
    """
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            yield
    except ProviderFailure as failure:
        log.warning("sign_in_failed", provider=provider, trouble=failure.trouble.value, why=str(failure))
        raise
    except (httpx2.HTTPError, TimeoutError) as error:
        raise _told(provider, Trouble.UNREACHABLE, error) from error
    except (OAuthError, JoseError, httpx2.InvalidURL, *_STUMBLES) as error:
        raise _told(provider, Trouble.UNTRUSTED, error) from error


def _told(provider: str, trouble: Trouble, error: Exception) -> ProviderFailure:
    """Logged by its kind, or its code where that is a known one: texts of such errors hold what was sent, codes and
    tokens included."""
    code = error.error if isinstance(error, OAuthError) else None
    why = code if isinstance(code, str) and code in _TOLD_ERRORS else type(error).__name__
    log.warning("sign_in_failed", provider=provider, trouble=trouble.value, why=why)
    return ProviderFailure(trouble, why)


def tokens_of(answer: Mapping[str, Any]) -> ProviderTokens:
    """What a token endpoint answered (RFC 6749, 5.1).

    Raises:
        ProviderFailure: untrusted: there is no access token, or one that is no printable ASCII of a usual length.
    """
    access_token = _text(answer, "access_token")
    if access_token is None:
        raise ProviderFailure(Trouble.UNTRUSTED, "an answer without an access token")
    return ProviderTokens(
        access_token=access_token,
        refresh_token=_text(answer, "refresh_token"),
        id_token=_text(answer, "id_token"),
        expires_at=_moment(answer.get("expires_at")),
        token_type=_text(answer, "token_type"),
        scope=_text(answer, "scope"),
    )


def _text(answer: Mapping[str, Any], name: str) -> str | None:
    value = answer.get(name)
    if value is None or value == "":
        return None
    # Tokens, their types and scopes are printable ASCII (RFC 6749, appendix A).
    if not isinstance(value, str) or len(value) > TOKEN_CHARACTERS_MAX or not (value.isascii() and value.isprintable()):
        raise ProviderFailure(Trouble.UNTRUSTED, f"{name} is no text of a usual length")
    return value


def _moment(unix_seconds: Any) -> datetime | None:
    now = datetime.now(UTC)
    if not isinstance(unix_seconds, int | float) or not 0 < unix_seconds < now.timestamp() + _FAR_SECONDS:
        return None
    return datetime.fromtimestamp(unix_seconds, UTC)
