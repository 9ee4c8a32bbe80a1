"""What the followers of a chat and the watchers of a channel see.

Sequenced events are numbered within an epoch and kept for replay. The edge encodes each of them once (`EncodedEvent`);
what differs between sockets is only the alias `k` of the chat, so the bytes around it are shared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from server.domain.chats import EndReason


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a chat is used, in tokens."""

    used: int
    cap: int

    @property
    def left(self) -> int:
        """Tokens that are left."""
        return self.cap - self.used


class ClosedReason(StrEnum):
    """Why a chat ended: `closed.why` on the wire."""

    REFUNDED = "refunded"
    USER = "user"
    CHANNEL_INACTIVE = "channel_inactive"
    REVOKED = "revoked"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class UserSaid:
    """A member's message was stored. `author_ref` is the member's number in this chat."""

    id: UUID
    text: str
    author_ref: int
    author_name: str
    tokens: int
    parent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class AnswerStarted:
    """The model was asked; `to` is the message it answers."""

    id: UUID
    to: UUID
    model: str


@dataclass(slots=True)
class Delta:
    """The next part of the running answer, made of `chunks` chunks of the model."""

    text: str
    chunks: int = 1


@dataclass(frozen=True, slots=True)
class NearLimit:
    """The chat has passed this share of its cap; told once for each share."""

    percent: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class LimitReached:
    """Too little is left for another answer; the chat becomes FULL."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """The answer has ended and is stored. `length` is in code points, `sha` the SHA-256 of its UTF-8 bytes in hex."""

    id: UUID
    why: EndReason
    usage: Usage
    length: int
    sha: str


@dataclass(frozen=True, slots=True)
class ChatClosed:
    """The chat takes nothing more."""

    why: ClosedReason


SequencedEvent = UserSaid | AnswerStarted | Delta | NearLimit | LimitReached | AnswerDone | ChatClosed


class CreditReason(StrEnum):
    """Why a balance is told: `credit.why` on the wire."""

    NOW = "now"
    SPEND = "spend"
    REFUND = "refund"
    PURCHASE = "purchase"
    ADJUST = "adjust"


@dataclass(frozen=True, slots=True)
class CreditChanged:
    """A channel's balance, in credits; the newest one counts."""

    channel: str
    balance: int
    why: CreditReason


@dataclass(frozen=True, slots=True)
class ChannelChanged:
    """A channel's state and figures; the newest one counts."""

    channel: str
    status: str
    activation_funding_cents: int
    activation_goal_cents: int
    credit_balance: int


ChannelEvent = CreditChanged | ChannelChanged


@dataclass(slots=True)
class EncodedEvent:
    """A sequenced event, encoded once for all followers.

    Attributes:
        event: what it says.
        s: its number in the epoch, the last one that it covers.
        n: how many numbers it covers (a joined delta covers several).
        body: the JSON of it from behind the alias on: ``"s":3,"x":"Well"}``.
        body_for_author: the same as its author sees it (`who.me`); None when everybody sees the same.
        size_bytes: UTF-8 bytes of the body.
    """

    event: SequencedEvent
    kind: str
    s: int
    n: int
    body: str
    size_bytes: int
    body_for_author: str | None = None

    def frame(self, k: int, viewer_ref: int | None) -> str:
        """Return the whole frame for a socket that calls the chat `k` and whose member number is `viewer_ref`."""
        body = self.body
        if (
            self.body_for_author is not None
            and isinstance(self.event, UserSaid)
            and self.event.author_ref == viewer_ref
        ):
            body = self.body_for_author
        return f'{{"t":"{self.kind}","k":{k},{body}'


EncodeEvent = Callable[[SequencedEvent, int, int], EncodedEvent]
"""Encodes (event, s, n); the protocol's module has it."""
