"""A message that is to start a turn, and what one transaction has read about its chat."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from server.domain.channels import ChannelStatus
from server.domain.chats import ChatState, CreditState


@dataclass(frozen=True, slots=True)
class VisitorClaim:
    """What a visitor may do: one answer at a time, and so many charged chats in a UTC day.

    Attributes:
        session_id: whose answers are counted.
        address_digest: what the chat remembers, so that a provider's failure can give the count back.
        limit_chats: how many charged chats the session and the address may each have in a day.
    """

    session_id: UUID
    address_digest: str
    limit_chats: int

    @property
    def subjects(self) -> tuple[str, str]:
        """The two counters of the quota."""
        return f"s:{self.session_id}", f"a:{self.address_digest}"


@dataclass(frozen=True, slots=True)
class Start:
    """A message to store and an answer to begin; the ids are made by this node, so the same start may be run again."""

    chat_id: UUID
    channel_id: UUID
    epoch: int
    idem: str
    text: str
    prompt_tokens: int
    title: str
    author_ref: int
    parent_id: UUID | None
    message_id: UUID
    answer_id: UUID
    model: str
    visitor: VisitorClaim | None


@dataclass(slots=True)
class LockedChat:
    """A chat's row as it was read under its lock, brought forward as starts of the same batch are admitted."""

    id: UUID
    epoch: int
    state: ChatState
    credit_state: CreditState
    last_seq: int


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """What is known of a message with a caller's id."""

    id: UUID
    content: str
    seq: int
    created_at: datetime


@dataclass(slots=True)
class Facts:
    """What the transaction has read; `decide` brings it forward.

    Attributes:
        quota_counts: charged chats of today by subject.
        answering: chats with a running answer, by the visitor's session.
        stored: messages that exist, by chat and caller's id.
    """

    chats: Mapping[UUID, LockedChat]
    channel_statuses: Mapping[UUID, ChannelStatus]
    balances: dict[UUID, int]
    quota_counts: dict[str, int]
    answering: dict[UUID, set[UUID]] = field(default_factory=dict)
    stored: dict[tuple[UUID, str], StoredMessage] = field(default_factory=dict)
