"""The caller's chats over REST: to find and to read again. Asking goes over the websocket."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.cursors import Cursors, list_name_of
from server.api.operations import Answer, Operation, described
from server.api.paths import ChatPath
from server.api.queries import ListQuery, SearchText, json_answer, read_query
from server.auth.callers import Callers
from server.channels.catalog import Catalog
from server.chats.listing import ChatListing, ChatSummary
from server.chats.refusals import not_found
from server.domain.chats import ChatState, CreditState
from server.domain.errors import Code, Refusal
from server.domain.rates import Action


class ChatsQuery(ListQuery, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What `GET /api/chats` takes.

    Attributes:
        channel: only chats of this one, by id or handle; without it, of every one.
        q: looked for in titles and messages, whatever the case.
    """

    channel: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    q: SearchText | None = None


class ChatChannel(msgspec.Struct, frozen=True, rename="camel"):
    """The channel of a chat.

    Attributes:
        id: its id.
        name: its handle.
        title: for people.
    """

    id: UUID
    name: str
    title: str


class ChatAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A chat without its messages.

    Attributes:
        id: its id, on the websocket too.
        channel: whose AI answers.
        title: made from its first message; null: there is none yet.
        state: what the chat takes next. OPEN: a message; ANSWERING: a stop; FULL, CLOSED: nothing.
        credit_state: NONE: not taken yet; CHARGED: taken; SPENT: and a first token has left; REFUNDED: given back.
        tokens_used: what counts: channel knowledge, messages and answers.
        token_cap: what it may hold.
        created_at: when it was opened.
        last_message_at: when its newest message came; null: there is none yet.
    """

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
    """A page of chats.

    Attributes:
        items: the latest message first.
        next_cursor: the `cursor` of the following page; null: this is the last one.
        prev_cursor: the `cursor` of the page before; null: this is the first one.
    """

    items: list[ChatAnswer]
    next_cursor: str | None
    prev_cursor: str | None


class ChatEndpoints:
    """`/api/chats…`; each answers only the owner, and in the same words whether a chat is absent or another's."""

    def __init__(self, listing: ChatListing, catalog: Catalog, callers: Callers, cursors: Cursors) -> None:
        self._listing = listing
        self._catalog = catalog
        self._callers = callers
        self._cursors = cursors

    @described(
        Operation(
            "Chats",
            {200: Answer(shape=ChatList)},
            query=ChatsQuery,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.LISTS,
        )
    )
    async def list_chats(self, request: Request) -> Response:
        """`GET /api/chats`: the caller's chats that have a message, the latest first."""
        identity = await self._callers.require(request)
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

    @described(
        Operation(
            "Chats",
            {200: Answer(shape=ChatAnswer)},
            path=ChatPath,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
        )
    )
    async def get_chat(self, request: Request) -> Response:
        """`GET /api/chats/{id}`: one chat without its messages."""
        identity = await self._callers.require(request)
        return json_answer(_chat_of(await self._listing.get(identity, chat_id_of(request))))


def chat_id_of(request: Request) -> UUID:
    """The chat that the path names.

    Raises:
        Refusal: not_found, it is no id.
    """
    try:
        return UUID(request.path_params["id"])
    except ValueError as error:
        raise not_found() from error


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
