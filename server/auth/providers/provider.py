"""The port to a provider: lead somebody there, and read who they were told it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from server.auth.attempts import Attempt


class Trouble(StrEnum):
    """Why nobody was signed in, in the words of an address of ours."""

    DENIED = "denied"
    """The provider says no, or the person did."""

    EXPIRED = "expired"
    """The answer belongs to no sign-in that this browser has begun and not finished."""

    UNREACHABLE = "unreachable"
    """The provider did not answer, or not in time."""

    UNTRUSTED = "untrusted"
    """What came does not prove anything."""

    ELSEWHERE = "elsewhere"
    """The e-mail address belongs to an account that is reached through another provider."""

    TAKEN = "taken"
    """The account that was to be linked is somebody else's here."""

    FULL = "full"
    """As many accounts are linked as there can be."""


class ProviderFailure(Exception):
    """Nobody is signed in, and nothing was changed.

    Attributes:
        trouble: why.
    """

    def __init__(self, trouble: Trouble, why: str) -> None:
        super().__init__(why)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Profile:
    """Who somebody is at a provider.

    Attributes:
        subject: the provider's id of the person: it never changes and is never given to anybody else.
        name: as they call themselves; None: not told.
        email: None: not told.
        email_verified: whether the provider says that it is theirs.
        image: an https address; None: not told.
    """

    subject: str
    name: str | None = None
    email: str | None = None
    email_verified: bool = False
    image: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderTokens:
    """What the provider lets us do in the person's name.

    Attributes:
        expires_at: of the access token; None: it does not expire, or nobody said.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    token_type: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Identified:
    """Somebody whom the provider knows."""

    profile: Profile
    tokens: ProviderTokens


@dataclass(frozen=True, slots=True)
class Departure:
    """The way to the provider.

    Attributes:
        url: where the browser goes.
        state: see `Attempt`.
        nonce: see `Attempt`.
        verifier: see `Attempt`.
    """

    url: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class Provider(Protocol):
    """Somebody who knows people."""

    @property
    def name(self) -> str:
        """In addresses and in the table of accounts."""
        ...

    @property
    def label(self) -> str:
        """As people know it."""
        ...

    @property
    def type(self) -> str:
        """What the table of accounts calls it: ``oidc`` or ``oauth``."""
        ...

    async def depart(self, redirect_uri: str) -> Departure:
        """The way there, with a fresh state, nonce and verifier.

        Args:
            redirect_uri: where the provider sends the browser back to.

        Raises:
            ProviderFailure: unreachable, untrusted.
        """
        ...

    async def identify(self, answer: Mapping[str, str], attempt: Attempt) -> Identified:
        """Who the provider says it is.

        Args:
            answer: the query with which the browser came back; its state is the attempt's.
            attempt: what was begun in this browser.

        Raises:
            ProviderFailure: denied, unreachable, untrusted.
        """
        ...

    async def refresh(self, refresh_token: str) -> ProviderTokens:
        """New tokens for an old refresh token, which may be worth nothing afterwards.

        Raises:
            ProviderFailure: denied, the provider does not take it any more; unreachable, untrusted: it may do so later.
        """
        ...
