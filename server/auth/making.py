"""Signing in, put together as the configuration asks for."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

from server.auth.account_tokens import AccountTokens
from server.auth.accounts import Accounts
from server.auth.development import DEVELOPMENT, LABEL, DevelopmentClient, DevelopmentIssuer
from server.auth.origins import Origins
from server.auth.providers.making import make_providers
from server.auth.providers.options import ProviderKind, ProviderOptions, SignInOptions
from server.auth.providers.transport import ProviderTransport
from server.auth.sealing import Keyring
from server.auth.sessions import Sessions
from server.auth.signing_in import SigningIn
from server.domain.origins import origin_of
from server.storage.postgres import Postgres

DEVELOPMENT_PATH = "/development-sign-in"


def make_signing_in(
    options: SignInOptions, postgres: Postgres, sessions: Sessions, transport: ProviderTransport, *, secret: str
) -> SigningIn:
    """What leads people to the providers of these options and takes them back.

    Args:
        options: see `SignInOptions`.
        postgres: this node's.
        sessions: this node's.
        transport: the way to the providers; whoever made it closes it.
        secret: of this installation; it opens what was sealed before there were other secrets.
    """
    providers = make_providers(options, transport)
    tokens = AccountTokens(postgres, Keyring([*options.token_secrets, secret]), providers)
    return SigningIn(postgres, providers, Accounts(postgres, tokens), sessions)


def with_development(
    options: SignInOptions, *, own_url: str | None, public_urls: Sequence[str]
) -> tuple[SignInOptions, DevelopmentIssuer | None]:
    """The provider of our own for development, beside the others, where it is asked for.

    Args:
        options: see `SignInOptions`.
        own_url: where this server answers, as itself reaches it; None: nobody knows.
        public_urls: our own origins, to which it may send browsers back.

    Raises:
        ValueError: it is asked for, and the own address is not known.
    """
    if not options.development:
        return options, None
    if own_url is None:
        raise ValueError("the development sign-in is asked over HTTP by this server: its own address is needed")
    origins = Origins(public_urls).serialized
    # A browser stays at the address that was printed, where that is one of ours.
    browser_origin = own_url if own_url in origins else origin_of(public_urls[0])
    client = DevelopmentClient(
        "tallylight",
        secrets.token_urlsafe(32),
        [f"{origin}/signin/{DEVELOPMENT}/callback" for origin in sorted(origins)],
    )
    issuer = DevelopmentIssuer(own_url + DEVELOPMENT_PATH, browser_origin + DEVELOPMENT_PATH, [client])
    provider = ProviderOptions(
        DEVELOPMENT, LABEL, ProviderKind.OIDC, client.client_id, client.client_secret, issuer.issuer
    )
    return replace(options, providers=[*options.providers, provider]), issuer
