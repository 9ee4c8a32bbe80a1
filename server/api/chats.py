"""The caller's chats over REST: to find and to read again. Asking goes over the websocket."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.cursors import Cursors, list_name_of
from server.api.queries import ListQuery, SearchText, json_answer, read_query
from server.auth.visitors import Visitors
from server.channels.catalog import Catalog
from server.chats.listing import ChatListing, ChatSummary
from server.domain.chats import ChatState, CreditState
from server.domain.errors import Code, Refusal


class ChatsQuery(ListQuery, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What `GET /api/chats` takes.

    Attributes:
        channel: id or handle; None means every channel.
        q: looked for in titles and messages.
    """

    channel: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    q: SearchText | None = None


class ChatChannel(msgspec.Struct, frozen=True, rename="camel"):
    """The channel of a chat."""

    id: UUID
    name: str
    title: str


class ChatAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A chat; `tokensUsed` counts what the AI was told of the channel, too."""

    id: UUID
    channel: ChatChannel
    title: str | None
    state: ChatState
    credit_state: CreditState
    tokens_used: int
    token_cap: int
    created_at: datetime
    last_message_at: datetime | None


class ChatList(msgspec.Struct, frozen=True, rename="camel"):
    """A page of chats; a cursor is null at that end of the list."""

    items: list[ChatAnswer]
    next_cursor: str | None
    prev_cursor: str | None


class ChatEndpoints:
    """`/api/chats…`; each answers only the owner, and in the same words whether a chat is absent or another's."""

    def __init__(self, listing: ChatListing, catalog: Catalog, visitors: Visitors, cursors: Cursors) -> None:
        self._listing = listing
        self._catalog = catalog
        self._visitors = visitors
        self._cursors = cursors

    async def list_chats(self, request: Request) -> Response:
        """`GET /api/chats`: the caller's chats that have a message, the latest first."""
        identity = await self._visitors.require(request)
        query = read_query(request, ChatsQuery)
        list_name = list_name_of("chats", query.channel, query.q)
        position = self._cursors.open(list_name, query.cursor)
        channel_id = None
        if query.channel is not None:
            channel = await self._catalog.find(query.channel)
            if channel is None:
                raise Refusal(Code.NOT_FOUND, "There is no such channel.")
            channel_id = channel.id
        page = await self._listing.page(
            identity, channel_id=channel_id, text=query.q, position=position, limit=query.limit
        )
        return json_answer(
            ChatList(
                [_chat_of(summary) for summary in page.items],
                self._cursors.seal(list_name, page.next),
                self._cursors.seal(list_name, page.previous),
            )
        )

    async def get_chat(self, request: Request) -> Response:
        """`GET /api/chats/{id}`: one chat without its messages."""
        identity = await self._visitors.require(request)
        return json_answer(_chat_of(await self._listing.get(identity, chat_id_of(request))))


def chat_id_of(request: Request) -> UUID:
    """The chat that the path names.

    Raises:
        Refusal: not_found, it is no id.
    """
    try:
        return UUID(request.path_params["id"])
    except ValueError as error:
        raise Refusal(Code.NOT_FOUND, "There is no such chat.") from error


def _chat_of(summary: ChatSummary) -> ChatAnswer:
    return ChatAnswer(
        id=summary.id,
        channel=ChatChannel(summary.channel_id, summary.channel_name, summary.channel_title),
        title=summary.title,
        state=summary.state,
        credit_state=summary.credit_state,
        tokens_used=summary.tokens_used,
        token_cap=summary.token_cap,
        created_at=summary.created_at,
        last_message_at=summary.last_message_at,
    )
