"""Opening a chat, and finding one again. Nothing is charged here and nobody's chat is taken."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg

from server.channels.catalog import Catalog
from server.channels.knowledge import Knowledge
from server.chats.live_chat import ChatFacts, LiveChat, Owner
from server.chats.live_chats import LiveChats
from server.chats.refusals import not_found
from server.chats.transcript import Transcript
from server.domain.channels import refusal_of_chat
from server.domain.chats import ChatState, CreditState
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.meter import CAP_TOKENS
from server.storage.ids import new_id
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres
from server.storage.settings import LiveSettings

OWNER_REF: Final = 1
"""The member number of who opened the chat."""

# The session of a deleted user has ended: nothing of theirs begins any more.
_LOCK_SESSION: Final = """
SELECT user_id, expires_at > clock_timestamp() AS is_live FROM session WHERE id = $1 FOR SHARE
"""
_OWNERS_NOW: Final = """
SELECT chat.user_id AS owner_id, session.user_id AS caller_id
  FROM chat, session WHERE chat.id = $1 AND chat.deleted_at IS NULL AND session.id = $2
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """A chat that was opened, now or by an earlier try of the same command."""

    chat: LiveChat
    is_new: bool


class Opening:
    """Makes and finds chats for their owners."""

    def __init__(
        self,
        *,
        postgres: Postgres,
        live_chats: LiveChats,
        catalog: Catalog,
        knowledge: Knowledge,
        settings: LiveSettings,
        node_id: UUID,
    ) -> None:
        self._postgres = postgres
        self._live_chats = live_chats
        self._catalog = catalog
        self._knowledge = knowledge
        self._settings = settings
        self._node_id = node_id

    async def open(
        self, identity: Identity, idem: str, channel_ref: str, *, refuse_new: Refusal | None = None
    ) -> Opened:
        """Make a chat on a channel, or return the one that this `idem` made.

        Args:
            refuse_new: why the caller may have no further chat; one that is there is returned all the same.

        Raises:
            Refusal: `not_found`, `channel_pending`, `channel_inactive`, `forbidden`, `conflict` (the idem opened a chat
                on another channel), `unauthorized` (the session has just ended), `unavailable`, and `refuse_new`.
        """
        with outages_refused():
            channel = await self._catalog.find(channel_ref)
            if channel is None:
                raise Refusal(Code.NOT_FOUND, "There is no such channel.")
            earlier = await self._find_opened(identity, idem)
            if earlier is None:
                refusal = refuse_new or refusal_of_chat(channel.status)
                if refusal is None and identity.is_visitor and not self._settings.current.chat_visitors_allowed:
                    refusal = Refusal(Code.FORBIDDEN, "Sign in to chat on this site.")
                if refusal is not None:
                    raise refusal
                context = await self._knowledge.freeze(channel.id)
                facts = ChatFacts(
                    new_id(), channel.id, channel.name, context.id, context.tokens, CAP_TOKENS, channel.model
                )
                if await self._insert(identity, idem, facts):
                    return Opened(self._live_chats.add(self._new_chat(identity, facts)), is_new=True)
                earlier = await self._find_opened(identity, idem)
        if earlier is None:
            raise not_found()
        if earlier["channel_id"] != channel.id:
            raise Refusal(Code.CONFLICT, "This idem opened a chat on another channel.")
        chat = await self.find(identity, earlier["id"])
        return Opened(chat, is_new=not chat.transcript.messages)

    async def find(self, identity: Identity, chat_id: UUID) -> LiveChat:
        """Return a chat of this caller.

        Raises:
            Refusal: `not_found` when it is absent or not theirs, `unavailable`.
        """
        with outages_refused():
            chat = await self._live_chats.get(chat_id)
            if chat is None or not (chat.owner.is_(identity) or await self._is_theirs_by_now(identity, chat)):
                raise not_found()
        return chat

    async def _is_theirs_by_now(self, identity: Identity, chat: LiveChat) -> bool:
        """Whether a sign-in has made the chat the caller's since it was read into memory, or the caller a user since
        the socket has said hello. Nothing else of the chat changes by that: an answer that runs goes on."""
        row = await self._postgres.pool.fetchrow(_OWNERS_NOW, chat.facts.id, identity.session_id)
        if row is None:
            return False
        chat.owner.user_id = row["owner_id"]
        return chat.owner.is_(replace(identity, user_id=row["caller_id"]))

    async def _find_opened(self, identity: Identity, idem: str) -> asyncpg.Record | None:
        return await self._postgres.pool.fetchrow(
            "SELECT id, channel_id FROM chat WHERE session_id = $1 AND open_idem = $2", identity.session_id, idem
        )

    async def _insert(self, identity: Identity, idem: str, facts: ChatFacts) -> bool:
        """Insert the chat and its first member under the session's lock, with the user who claimed the session
        meanwhile; False when this idem has opened a chat before."""
        async with self._postgres.pool.acquire() as connection, connection.transaction():
            session = await connection.fetchrow(_LOCK_SESSION, identity.session_id)
            if session is None or not session["is_live"]:
                raise Refusal(Code.UNAUTHORIZED, "This session has ended.")
            user_id = session["user_id"]
            inserted = await connection.fetchval(
                """
                INSERT INTO chat (id, user_id, session_id, channel_id, state, credit_state, tokens_used, token_cap,
                                  context_id, context_tokens, open_idem, owner_node, epoch, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $7, $10, $11, 1, $12)
                ON CONFLICT (session_id, open_idem) DO NOTHING RETURNING id
                """,
                facts.id,
                user_id,
                identity.session_id,
                facts.channel_id,
                ChatState.OPEN,
                CreditState.NONE,
                facts.context_tokens,
                facts.token_cap,
                facts.context_id,
                idem,
                self._node_id,
                datetime.now(UTC),
            )
            if inserted is None:
                return False
            await connection.execute(
                "INSERT INTO chat_member (chat_id, ref, user_id, session_id) VALUES ($1, $2, $3, $4)",
                facts.id,
                OWNER_REF,
                user_id,
                identity.session_id,
            )
        return True

    def _new_chat(self, identity: Identity, facts: ChatFacts) -> LiveChat:
        return LiveChat(
            facts,
            Owner(identity.session_id, identity.user_id),
            state=ChatState.OPEN,
            credit_state=CreditState.NONE,
            tokens_used=facts.context_tokens,
            epoch=1,
            transcript=Transcript(),
            encode=self._live_chats.encode,
        )
