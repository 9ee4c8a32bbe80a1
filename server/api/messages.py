"""The messages of a chat over REST: what was said, newest first."""

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.chats import chat_id_of
from server.api.operations import Answer, Operation, described
from server.api.paths import ChatPath
from server.api.queries import json_answer, read_query
from server.auth.callers import Callers
from server.chats.listing import MESSAGES_MAX, ChatListing, StoredMessage
from server.domain.chats import MessageStatus, MessageType
from server.domain.errors import Code
from server.domain.rates import Action

MESSAGES_DEFAULT: Final = 50


class MessagesQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What `GET /api/chats/{id}/messages` takes.

    Attributes:
        before: id of a message of this chat: only older ones; without it, the newest.
        limit: messages at most.
    """

    before: UUID | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MESSAGES_MAX)] = MESSAGES_DEFAULT


class AuthorAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Who wrote a message.

    Attributes:
        ref: the member's number in the chat.
        name: the public name, or "Fan" and the number.
        me: whether it is the reader.
    """

    ref: int
    name: str
    me: bool


class MessageAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message.

    Attributes:
        id: its id, on the websocket too.
        chat_id: id of its chat.
        seq: its place in the chat: 1, 2, 3 …
        type: USER: a person wrote it; AI: the model.
        content: the text; of a running answer what was saved so far.
        tokens: its length; 0 while it is streamed.
        status: how an answer stands or ended; what a person wrote is DONE.
        parent_id: the message that it follows; null for the first.
        author: who wrote it; null for the AI.
        model: what answered; null on what a person wrote.
        created_at: when it was stored.
    """

    id: UUID
    chat_id: UUID
    seq: int
    type: MessageType
    content: str
    tokens: int
    status: MessageStatus
    parent_id: UUID | None
    author: AuthorAnswer | None
    model: str | None
    created_at: datetime


class MessageList(msgspec.Struct, frozen=True, rename="camel"):
    """Some of the messages of a chat.

    Attributes:
        items: newest first.
        next_before: the `before` of the older ones; null: there are none.
    """

    items: list[MessageAnswer]
    next_before: UUID | None


class MessageEndpoints:
    """`/api/chats/{id}/messages`; it answers only the owner of the chat."""

    def __init__(self, listing: ChatListing, callers: Callers) -> None:
        self._listing = listing
        self._callers = callers

    @described(
        Operation(
            "Chats",
            {200: Answer(shape=MessageList)},
            path=ChatPath,
            query=MessagesQuery,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.LISTS,
        )
    )
    async def list_messages(self, request: Request) -> Response:
        """`GET /api/chats/{id}/messages`: what was said, newest first."""
        identity = await self._callers.require(request)
        query, chat_id = read_query(request, MessagesQuery), chat_id_of(request)
        page = await self._listing.messages(identity, chat_id, before=query.before, limit=query.limit)
        return json_answer(MessageList([_message_of(chat_id, stored) for stored in page.items], page.before))


def _message_of(chat_id: UUID, stored: StoredMessage) -> MessageAnswer:
    author = None
    if stored.author is not None and stored.author_name is not None:
        author = AuthorAnswer(stored.author, stored.author_name, stored.mine)
    return MessageAnswer(
        id=stored.id,
        chat_id=chat_id,
        seq=stored.seq,
        type=stored.type,
        content=stored.content,
        tokens=stored.tokens,
        status=stored.status,
        parent_id=stored.parent_id,
        author=author,
        model=stored.model,
        created_at=stored.created_at,
    )
