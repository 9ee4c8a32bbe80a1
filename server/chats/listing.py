"""A person's chats as they can be read again: listed, found, and their messages, always as Postgres has them.

A chat of somebody else is refused in the same words as one that does not exist.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, literal, or_, select

from server.chats.refusals import not_found
from server.domain.chats import ChatState, CreditState, MessageStatus, MessageType
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.pages import Page, Position
from server.storage.keyset import fetch_page, order_by_time
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres
from server.storage.tables.channels import channel
from server.storage.tables.chats import chat, chat_member, message
from server.storage.tables.people import session, user

MESSAGES_MAX: Final = 200
"""Messages of one page. A chat holds 50,000 tokens, so even all of its text is no more than an answer can carry."""


@dataclass(frozen=True, slots=True)
class ChatSummary:
    """A chat without its messages.

    Attributes:
        title: None until there is a message.
        last_message_at: None until there is a message.
    """

    id: UUID
    channel_id: UUID
    channel_name: str
    channel_title: str
    title: str | None
    state: ChatState
    credit_state: CreditState
    tokens_used: int
    token_cap: int
    created_at: datetime
    last_message_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it is stored; an answer that is running has what was saved of it so far.

    Attributes:
        seq: its place in the chat: 1, 2, 3 …
        parent_id: the message that it follows; None for the first.
        author: the member number in this chat; None for the AI.
        author_name: the public name; None for the AI.
        mine: whether the reader wrote it.
        model: what answered; None on what a person wrote.
    """

    id: UUID
    seq: int
    type: MessageType
    content: str
    tokens: int
    status: MessageStatus
    created_at: datetime
    parent_id: UUID | None
    author: int | None
    author_name: str | None
    mine: bool
    model: str | None


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages, newest first.

    Attributes:
        before: the id to go on with for older ones; None when these are the oldest.
    """

    items: list[StoredMessage]
    before: UUID | None


class ChatListing:
    """Reads chats for their owners."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def page(
        self,
        identity: Identity,
        *,
        channel_id: UUID | None = None,
        text: str | None = None,
        position: Position | None = None,
        limit: int,
    ) -> Page[ChatSummary]:
        """A page of the chats that have a message, the latest message first.

        Args:
            identity: whose chats.
            channel_id: None means the chats of every channel.
            text: looked for in titles and messages, whatever the case; None means no filter.
            position: None means the beginning.
            limit: chats at most.

        Raises:
            Refusal: unavailable; bad_request, the position is of another list.
        """
        statement = _chats_of(identity).where(chat.c.last_message_at.is_not(None))
        if channel_id is not None:
            statement = statement.where(chat.c.channel_id == channel_id)
        if text:
            said = exists().where(message.c.chat_id == chat.c.id, message.c.content.icontains(text, autoescape=True))
            statement = statement.where(or_(chat.c.title.icontains(text, autoescape=True), said))
        order = order_by_time(chat.c.last_message_at, chat.c.id, descending=True)
        with outages_refused():
            async with self._postgres.engine.connect() as connection:
                page = await fetch_page(connection, statement, order, position, limit)
        return Page([_summary_of(row) for row in page.items], page.next, page.previous)

    async def get(self, identity: Identity, chat_id: UUID) -> ChatSummary:
        """One chat.

        Raises:
            Refusal: not_found, it is absent, deleted or somebody else's; unavailable.
        """
        with outages_refused():
            async with self._postgres.engine.connect() as connection:
                row = (await connection.execute(_chats_of(identity).where(chat.c.id == chat_id))).one_or_none()
        if row is None:
            raise not_found()
        return _summary_of(row)

    async def messages(
        self, identity: Identity, chat_id: UUID, *, before: UUID | None = None, limit: int
    ) -> MessagePage:
        """Messages of one chat, newest first.

        Args:
            identity: the reader.
            chat_id: the chat.
            before: only what is older than this message of the chat; None begins with the newest.
            limit: messages at most, up to `MESSAGES_MAX`.

        Raises:
            Refusal: not_found, as `get`; bad_request, `before` is no message of this chat; unavailable.
        """
        await self.get(identity, chat_id)
        statement = _messages_of(identity, chat_id).limit(min(limit, MESSAGES_MAX) + 1)
        with outages_refused():
            async with self._postgres.engine.connect() as connection:
                if before is not None:
                    found = select(message.c.seq).where(message.c.chat_id == chat_id, message.c.id == before)
                    seq = await connection.scalar(found)
                    if seq is None:
                        raise Refusal(Code.BAD_REQUEST, "before is no message of this chat.")
                    statement = statement.where(message.c.seq < seq)
                rows = list(await connection.execute(statement))
        items = [_message_of(row) for row in rows[: min(limit, MESSAGES_MAX)]]
        return MessagePage(items, before=items[-1].id if len(rows) > len(items) else None)


def _owned_by(identity: Identity) -> ColumnElement[bool]:
    """`Identity.owns` in SQL: a user's chats are theirs on every device, a visitor's belong to the session."""
    unclaimed = and_(chat.c.user_id.is_(None), chat.c.session_id == identity.session_id)
    return unclaimed if identity.user_id is None else or_(chat.c.user_id == identity.user_id, unclaimed)


def _chats_of(identity: Identity) -> Select[Any]:
    return (
        select(
            chat.c.id,
            chat.c.channel_id,
            channel.c.name.label("channel_name"),
            channel.c.title.label("channel_title"),
            chat.c.title,
            chat.c.state,
            chat.c.credit_state,
            chat.c.tokens_used,
            chat.c.token_cap,
            chat.c.created_at,
            chat.c.last_message_at,
        )
        .join(channel, channel.c.id == chat.c.channel_id)
        .where(_owned_by(identity), chat.c.deleted_at.is_(None))
    )


def _messages_of(identity: Identity, chat_id: UUID) -> Select[Any]:
    is_user = chat_member.c.user_id.is_not(None)
    mine = chat_member.c.session_id == identity.session_id
    if identity.user_id is not None:
        mine = or_(mine, chat_member.c.user_id == identity.user_id)
    chosen = func.coalesce(user.c.username, session.c.display_name)
    name = func.coalesce(chosen, func.concat("Fan ", chat_member.c.ref))
    return (
        select(
            message.c.id,
            message.c.seq,
            message.c.type,
            message.c.content,
            message.c.tokens,
            message.c.status,
            message.c.created_at,
            message.c.parent_id,
            message.c.author,
            name.label("author_name"),
            func.coalesce(mine, literal(value=False)).label("mine"),
            message.c.model,
        )
        .outerjoin(chat_member, and_(chat_member.c.chat_id == message.c.chat_id, chat_member.c.ref == message.c.author))
        .outerjoin(user, user.c.id == chat_member.c.user_id)
        .outerjoin(session, and_(session.c.id == chat_member.c.session_id, is_user.is_(False)))
        .where(message.c.chat_id == chat_id)
        .order_by(message.c.seq.desc())
    )


def _summary_of(row: Row[Any]) -> ChatSummary:
    values = {field: getattr(row, field) for field in ChatSummary.__slots__}
    return ChatSummary(
        **{**values, "state": ChatState(values["state"]), "credit_state": CreditState(values["credit_state"])}
    )


def _message_of(row: Row[Any]) -> StoredMessage:
    values = {field: getattr(row, field) for field in StoredMessage.__slots__}
    values["type"], values["status"] = MessageType(values["type"]), MessageStatus(values["status"])
    values["author_name"] = None if values["author"] is None else values["author_name"]
    return StoredMessage(**values)
