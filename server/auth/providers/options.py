"""Which providers there are, and what reaching them needs; apart from them, so that reading it loads no library."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class ProviderKind(StrEnum):
    """How a provider is spoken with."""

    OIDC = "oidc"
    """OpenID Connect: discovery, and an ID token that says who it is."""

    GITHUB = "github"
    FACEBOOK = "facebook"


@dataclass(frozen=True, slots=True)
class ProviderOptions:
    """One provider.

    Attributes:
        name: in addresses and in the table of accounts, for ever: letters, digits and hyphens.
        label: as people know it.
        kind: see there.
        client_id: ours, at the provider.
        client_secret: that goes with it.
        base_url: the issuer of OpenID Connect; of the others another server that speaks alike. None: their own.
    """

    name: str
    label: str
    kind: ProviderKind
    client_id: str
    client_secret: str = field(repr=False)
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class SignInOptions:
    """How people sign in.

    Attributes:
        providers: in the order of the page.
        token_secrets: seal the providers' tokens: the first one seals, all of them open, and so does the server's own
            secret, which seals where there is none.
        development: whether the small provider of our own is there, at which anybody is whoever they like.
    """

    providers: Sequence[ProviderOptions] = ()
    token_secrets: Sequence[str] = field(default=(), repr=False)
    development: bool = False
