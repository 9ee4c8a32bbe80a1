"""The port to a model: what is asked, what comes back, what may go wrong."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Literal, Protocol

import msgspec

from server.domain.errors import Code, Refusal

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "filter"]
"""Why the model ended: it was done, it reached the limit it was given, or its provider withheld the rest."""


class PromptMessage(msgspec.Struct, frozen=True):
    """One message of a prompt."""

    role: Role
    content: str


class ProviderUsage(msgspec.Struct, frozen=True):
    """What the provider says it has counted, in its own tokens; stored beside our figures, never used for the meter.

    Attributes:
        cached_tokens: how many of the prompt's tokens the provider had in its prefix cache; None if it does not say.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int | None = None


class Fault(StrEnum):
    """What went wrong with the model: `details["fault"]` of the refusal."""

    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    REFUSED = "refused"
    RATE_LIMITED = "rate_limited"
    FAILING = "failing"
    CUT = "cut"
    GARBLED = "garbled"
    SLOW_START = "slow_start"
    STALLED = "stalled"
    EMPTY = "empty"


_MESSAGES = {
    Fault.UNREACHABLE: "The model cannot be reached.",
    Fault.UNAUTHORIZED: "The model's provider does not accept this server's key.",
    Fault.REFUSED: "The model's provider refused the request.",
    Fault.RATE_LIMITED: "The model's provider is asked too often.",
    Fault.FAILING: "The model failed.",
    Fault.CUT: "The connection to the model broke.",
    Fault.GARBLED: "The model sent something that cannot be read.",
    Fault.SLOW_START: "The model did not begin to answer in time.",
    Fault.STALLED: "The model stopped in the middle of its answer.",
    Fault.EMPTY: "The model answered nothing.",
}


def provider_refusal(fault: Fault, *, after_seconds: float | None = None, status: int | None = None) -> Refusal:
    """PROVIDER_ERROR with the fault, and the HTTP status if there was one. Never holds what the provider wrote, which
    may repeat the prompt or the key."""
    details = {"fault": fault.value} if status is None else {"fault": fault.value, "status": status}
    return Refusal(Code.PROVIDER_ERROR, _MESSAGES[fault], after_seconds=after_seconds, details=details)


OfferTexts = Callable[[list[str]], bool]
"""Is offered texts as they come; returns whether it took them. It may not block."""


class ModelStream(Protocol):
    """One answer as it is made. Nothing is asked before the first `read`. One reader at a time.

    Attributes:
        finish: why the model ended; None until `read` has returned nothing, and for good if it was aborted before it
            had said so.
        usage: None until then, and where the provider does not say.
    """

    finish: Finish | None
    usage: ProviderUsage | None

    async def read(self, offer: OfferTexts | None = None) -> list[str]:
        """The texts of the model's next chunks: all that the next read of the socket brings, none of them empty. They
        may hold U+0000 and lone surrogates, halves of a pair split over two chunks too. An empty list is the end.

        It waits as long as it takes; whoever wants a deadline calls `abort`.

        Args:
            offer: is offered the texts first, where that is possible in the very turn of the loop that brings them;
                `read` goes on waiting while it takes them, and returns those that it does not take. What it raises is
                raised here. None: nobody is.

        Raises:
            Refusal: PROVIDER_ERROR, see `Fault`. The stream is over.
        """

    def abort(self) -> None:
        """Closes the connection to the model at once; a `read` that waits, and each later one, returns nothing."""

    async def aclose(self) -> None:
        """`abort`, and everything given back. May be repeated. Its caller's duty, even after the end."""


class Model(Protocol):
    """A model that can be asked."""

    @property
    def name(self) -> str:
        """What it is called, for people."""

    @property
    def window_tokens(self) -> int:
        """How much a prompt and its answer may have together, counted by us."""

    @property
    def english_only(self) -> bool:
        """Whether its vocabulary was made for English: of other scripts it has up to a token for each byte, several
        times as many as we count."""

    def stream(
        self, messages: Sequence[PromptMessage], max_output_tokens: int, *, named: str | None = None
    ) -> ModelStream:
        """An answer to these messages of at most that many of the model's own tokens.

        Args:
            named: another model of the same provider, such as one tuned for a channel; None means `name`.
        """

    async def probe(self) -> None:
        """Returns when the model could be reached and would accept a request.

        Raises:
            Refusal: PROVIDER_ERROR.
        """

    async def aclose(self) -> None:
        """Gives back what the model holds; no stream may be open."""
