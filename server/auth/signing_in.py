"""Signing in, from the button to the session: with whom, what they say, whose account it is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from server.auth.accounts import Accounts, AccountsFull, EmailElsewhere
from server.auth.attempts import NEXT_CHARACTERS_MAX, Attempt
from server.auth.providers.provider import Identified, Provider, ProviderFailure, Trouble
from server.auth.sessions import Sessions, SignIn
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.own_path import own_path
from server.ledger.claims import ClaimOutcome, Moved
from server.storage.postgres import Postgres

ANSWER_CHARACTERS_MAX: Final = 4_096
"""Of each word with which a provider sends the browser back."""
_WORDS: Final = frozenset({"code", "error", "iss", "state"})


class SignInFailed(Exception):
    """Nobody was signed in, nothing was linked, nothing was changed.

    Attributes:
        trouble: why.
        through: names of the providers through which the person signs in, where they have an account already.
    """

    def __init__(self, trouble: Trouble, through: Sequence[str] = ()) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble
        self.through = through


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody came back from a provider, and it is them.

    Attributes:
        provider: who said so.
        signed_in: with the new token of the session; None: an account was linked, the session is as it was.
        name: as the person is called: their username, else what the provider calls them.
    """

    provider: Provider
    signed_in: SignIn | None
    name: str | None = None


class SigningIn:
    """Leads people to providers and takes them back.

    Attributes:
        providers: by name, in the order of the page.
    """

    def __init__(
        self, postgres: Postgres, providers: Mapping[str, Provider], accounts: Accounts, sessions: Sessions
    ) -> None:
        self.postgres = postgres
        self.providers = providers
        self.accounts = accounts
        self._sessions = sessions

    def provider(self, name: str) -> Provider:
        """The provider of this name.

        Raises:
            Refusal: not_found.
        """
        provider = self.providers.get(name)
        if provider is None:
            raise Refusal(Code.NOT_FOUND, "There is no such way to sign in.")
        return provider

    async def depart(
        self, provider: Provider, redirect_uri: str, *, until_seconds: int, next_path: str, links_to: UUID | None
    ) -> tuple[Attempt, str]:
        """Begin.

        Args:
            provider: with whom.
            redirect_uri: where it sends the browser back to.
            until_seconds: when it is too late, Unix time.
            next_path: where it leads in the end.
            links_to: the user who adds an account; None: whoever it is signs in.

        Returns:
            What the browser has to keep, and the address it goes to.

        Raises:
            SignInFailed: unreachable, untrusted.
        """
        try:
            departure = await provider.depart(redirect_uri)
        except ProviderFailure as failure:
            raise SignInFailed(failure.trouble) from failure
        attempt = Attempt(
            provider=provider.name,
            state=departure.state,
            verifier=departure.verifier,
            nonce=departure.nonce,
            redirect_uri=redirect_uri,
            until_seconds=until_seconds,
            next_path=next_path,
            links_to=None if links_to is None else str(links_to),
        )
        return attempt, departure.url

    async def arrive(
        self,
        provider: Provider,
        answer: Mapping[str, str],
        attempt: Attempt | None,
        *,
        caller: Identity | None,
        device: str | None,
    ) -> Arrival:
        """Finish: ask the provider, then sign in or link.

        Args:
            provider: at whose callback the browser arrived.
            answer: the query it came with.
            attempt: with the state of the answer, of this browser; None: there is none.
            caller: who holds the browser's session now; None: it has none.
            device: a short name of the browser; None: it is not known.

        Raises:
            SignInFailed: see `Trouble`.
            Refusal: unavailable.
        """
        # Each provider has a callback of its own: what another one answers is nobody's here (mix-up, RFC 9700, 4.4).
        if attempt is None or attempt.provider != provider.name:
            raise SignInFailed(Trouble.EXPIRED)
        if attempt.links_to is not None and (caller is None or str(caller.user_id) != attempt.links_to):
            raise SignInFailed(Trouble.EXPIRED)
        try:
            found = await provider.identify(answer, attempt)
        except ProviderFailure as failure:
            raise SignInFailed(failure.trouble) from failure
        if attempt.links_to is not None:
            await self._link(provider, UUID(attempt.links_to), found)
            return Arrival(provider, None)
        return await self._sign_in(provider, found, caller, device)

    async def _link(self, provider: Provider, user_id: UUID, found: Identified) -> None:
        try:
            await self.accounts.link(user_id, provider.name, provider.type, found)
        except AccountsFull as refusal:
            raise SignInFailed(Trouble.FULL) from refusal
        except Refusal as refusal:
            if refusal.code is not Code.CONFLICT:
                raise
            raise SignInFailed(Trouble.TAKEN) from refusal

    async def _sign_in(
        self, provider: Provider, found: Identified, caller: Identity | None, device: str | None
    ) -> Arrival:
        try:
            user_id = await self.accounts.sign_up_or_find(provider.name, provider.type, found, list(self.providers))
        except EmailElsewhere as elsewhere:
            raise SignInFailed(Trouble.ELSEWHERE, elsewhere.providers) from elsewhere
        signed_in = await self._sessions.sign_in(None if caller is None else caller.session_id, user_id, device=device)
        return Arrival(provider, signed_in, signed_in.identity.name or found.profile.name)


def answer_of(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What a provider says through the browser (RFC 6749, 4.1.2; RFC 9207, 2).

    A word that stands twice, or is absurdly long, counts as none. The query is anybody's: it is gone through once.
    """
    answer: dict[str, str] = {}
    twice: set[str] = set()
    for name, word in query:
        if name in answer:
            twice.add(name)
        elif name in _WORDS:
            answer[name] = word
    return {
        name: word
        for name, word in answer.items()
        if name not in twice and len(word) <= ANSWER_CHARACTERS_MAX and "\0" not in word
    }


def next_path_of(text: str) -> str:
    """Where a sign-in leads in the end: a path of this site that is not too long, else the beginning."""
    return (own_path(text) if len(text) <= NEXT_CHARACTERS_MAX else None) or "/"


def told_of(arrival: Arrival) -> str:
    """What the next page says."""
    if arrival.signed_in is None:
        return f"{arrival.provider.label} is linked: from now on you can sign in with it."
    sentences = [f"Signed in as {arrival.name}." if arrival.name else "Signed in."]
    moved = arrival.signed_in.moved
    if moved is not None and moved.outcome is ClaimOutcome.ANOTHERS:
        sentences.append("What this browser held before belongs to another account.")
    elif moved is not None and (things := things_of(moved.contributions, moved.badges, moved.chats)):
        sentences.append(f"{things} {'was' if _count(moved) == 1 else 'were'} added to your account.")
    return " ".join(sentences)


def things_of(contributions: int, badges: int, chats: int) -> str:
    """Such as ``3 contributions, 2 badges and 1 chat``; empty where there is nothing."""
    counted = ((contributions, "contribution"), (badges, "badge"), (chats, "chat"))
    parts = [f"{count:,} {noun if count == 1 else noun + 's'}" for count, noun in counted if count]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _count(moved: Moved) -> int:
    return moved.contributions + moved.badges + moved.chats
