"""The messages of a chat as this node holds them: the newest ones, complete as of the chat's event number.

What a follower is shown at once (`opened.msgs`) and what the model is told both come from here, so a chat that is in
memory answers both without a database.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from server.domain.chats import MessageStatus, MessageType

SHOWN_BYTES: Final = 64 * 1024
SHOWN_MESSAGES: Final = 50


@dataclass(slots=True)
class LiveMessage:
    """A message in memory.

    Attributes:
        seq: its place in the chat, 1 for the first.
        author_ref: the member's number; None for the AI.
        idem: the caller's id; None for the AI.
        s: number of its `user` event in the epoch that is in memory; None when it came from storage.
    """

    id: UUID
    type: MessageType
    status: MessageStatus
    seq: int
    tokens: int
    created_at: datetime
    author_ref: int | None = None
    author_name: str | None = None
    parent_id: UUID | None = None
    model: str | None = None
    idem: str | None = None
    s: int | None = None
    _parts: list[str] = field(default_factory=list)
    _code_points: int = 0

    def add(self, text: str) -> None:
        """Append to the text; cheap, whatever its length is."""
        self._parts.append(text)
        self._code_points += len(text)

    def text_from(self, code_points: int) -> str:
        """The text behind so many code points, without putting together what stands before them."""
        missing, parts = self._code_points - code_points, list[str]()
        for part in reversed(self._parts):
            if missing <= 0:
                break
            parts.append(part if len(part) <= missing else part[-missing:])
            missing -= len(part)
        return "".join(reversed(parts))

    @property
    def text(self) -> str:
        """All text so far."""
        if len(self._parts) > 1:
            self._parts[:] = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""


class Transcript:
    """The newest messages of a chat, oldest first.

    Attributes:
        is_whole: whether nothing older exists in storage.
    """

    def __init__(self, messages: Sequence[LiveMessage] = (), *, is_whole: bool = True) -> None:
        self.messages = list(messages)
        self.is_whole = is_whole

    def by_idem(self, idem: str) -> LiveMessage | None:
        """Return the message that was sent with this caller's id; None when it is not held here."""
        return next((message for message in self.messages if message.idem == idem), None)

    def by_id(self, message_id: UUID) -> LiveMessage | None:
        """Return a message; None when it is not held here."""
        return next((message for message in reversed(self.messages) if message.id == message_id), None)

    def shown(self) -> list[LiveMessage]:
        """Return what a snapshot shows, oldest first: the newest messages within 64 KiB of JSON and 50, the last one
        whole whatever its size is, so that a snapshot always fits one frame."""
        shown: list[LiveMessage] = []
        size_bytes = 0
        for message in reversed(self.messages):
            size_bytes += len(msgspec.json.encode(message.text))
            if shown and (size_bytes > SHOWN_BYTES or len(shown) == SHOWN_MESSAGES):
                break
            shown.append(message)
        return shown[::-1]
