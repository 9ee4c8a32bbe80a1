"""What comes before a new message: the messages from the first one to its parent, and the prompt made of them."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal
from uuid import UUID

from server.channels.knowledge import FrozenContext
from server.chats.history import load_messages
from server.chats.live_chat import LiveChat
from server.chats.transcript import LiveMessage
from server.domain.chats import MessageType
from server.domain.errors import Code, Refusal
from server.llm.model import PromptMessage
from server.llm.prompts import Spoken, Window, fit
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

_ROLES: Final[Mapping[MessageType, Literal["user", "assistant"]]] = {
    MessageType.USER: "user",
    MessageType.AI: "assistant",
}


async def parent_of(postgres: Postgres, chat: LiveChat, parent_id: UUID | None) -> LiveMessage | None:
    """Return the message that a new one follows, in memory or older; None when it is the first.

    Args:
        parent_id: None means the newest message.

    Raises:
        Refusal: `not_found`, `unavailable`.
    """
    if parent_id is None:
        return chat.transcript.messages[-1] if chat.transcript.messages else None
    parent = chat.transcript.by_id(parent_id)
    if parent is None and not chat.transcript.is_whole:
        with outages_refused():
            older = await load_messages(postgres, chat.facts.id)
        parent = next((one for one in older if one.id == parent_id), None)
    if parent is None:
        raise Refusal(Code.NOT_FOUND, "There is no such message to follow in this chat.")
    return parent


async def prompt_after(
    postgres: Postgres,
    chat: LiveChat,
    parent: LiveMessage | None,
    *,
    context: FrozenContext,
    newest: Spoken,
    window: Window,
) -> Sequence[PromptMessage]:
    """Return what the model is told: the context, the messages up to `parent`, and the newest one.

    Raises:
        Refusal: `too_large`, `unavailable`.
    """
    history = chat.transcript.messages
    if not chat.transcript.is_whole:
        with outages_refused():
            history = await load_messages(postgres, chat.facts.id)
    spoken = [Spoken(_ROLES[one.type], one.text, one.tokens) for one in _branch(history, parent) if one.text]
    return await fit(context.persona, context.knowledge, spoken, newest, window)


def _branch(messages: Sequence[LiveMessage], leaf: LiveMessage | None) -> list[LiveMessage]:
    """Return the messages from the beginning to `leaf`, along the parents."""
    by_id = {message.id: message for message in messages}
    branch: list[LiveMessage] = []
    while leaf is not None:
        branch.append(leaf)
        leaf = by_id.get(leaf.parent_id) if leaf.parent_id is not None else None
    return branch[::-1]
