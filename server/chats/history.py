"""Chats in Postgres, read into memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from server.chats.live_chat import ChatFacts, LiveChat, Owner
from server.chats.transcript import SHOWN_BYTES, SHOWN_MESSAGES, LiveMessage, Transcript
from server.domain.chats import ChatState, CreditState, MessageStatus, MessageType
from server.domain.events import EncodeEvent
from server.storage.postgres import Postgres

MESSAGES_MAX: Final = 4_096
"""Messages of one chat that are read for the model: the newest ones, far more than any model's window holds."""

_CHAT = """
    SELECT chat.*, channel.name AS channel_name, channel.model AS channel_model
      FROM chat JOIN channel ON channel.id = chat.channel_id
     WHERE chat.id = $1 AND chat.deleted_at IS NULL
"""
_MESSAGES = """
    SELECT message.*, coalesce("user".username, session.display_name) AS author_name
      FROM message
      LEFT JOIN chat_member ON chat_member.chat_id = message.chat_id AND chat_member.ref = message.author
      LEFT JOIN session ON session.id = chat_member.session_id
      LEFT JOIN "user" ON "user".id = chat_member.user_id
     WHERE message.chat_id = $1 ORDER BY message.seq DESC LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class LoadedChat:
    """A chat as storage has it.

    Attributes:
        live: the chat in memory, not owned by this node.
        stored_epoch: the epoch of its row.
    """

    live: LiveChat
    stored_epoch: int


async def load_chat(postgres: Postgres, chat_id: UUID, encode: EncodeEvent) -> LoadedChat | None:
    """Read a chat and its newest messages, as of one moment; None when there is none or it was deleted."""
    async with (
        postgres.pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        row = await connection.fetchrow(_CHAT, chat_id)
        if row is None:
            return None
        messages = await connection.fetch(_MESSAGES, chat_id, SHOWN_MESSAGES + 1)
    live = _live_chat(row, _transcript(messages), encode)
    live.read_mark = (row["epoch"], row["state"], row["tokens_used"])
    return LoadedChat(live, row["epoch"])


async def load_messages(postgres: Postgres, chat_id: UUID) -> list[LiveMessage]:
    """Read all messages of a chat, oldest first: what the model may be told."""
    rows = await postgres.pool.fetch(_MESSAGES, chat_id, MESSAGES_MAX)
    return [_message(row) for row in reversed(rows)]


async def find_by_idem(postgres: Postgres, chat_id: UUID, idem: str) -> LiveMessage | None:
    """Return the message that was stored with this caller's id; None when there is none."""
    row = await postgres.pool.fetchrow(
        "SELECT message.*, NULL AS author_name FROM message WHERE chat_id = $1 AND idem = $2", chat_id, idem
    )
    return _message(row) if row else None


def _live_chat(row: asyncpg.Record, transcript: Transcript, encode: EncodeEvent) -> LiveChat:
    return LiveChat(
        ChatFacts(
            id=row["id"],
            channel_id=row["channel_id"],
            channel_name=row["channel_name"],
            context_id=row["context_id"],
            context_tokens=row["context_tokens"],
            token_cap=row["token_cap"],
            model=row["channel_model"],
        ),
        Owner(row["session_id"], row["user_id"]),
        state=ChatState(row["state"]),
        credit_state=CreditState(row["credit_state"]),
        tokens_used=row["tokens_used"],
        epoch=None,
        transcript=transcript,
        encode=encode,
    )


def _transcript(newest_first: Sequence[asyncpg.Record]) -> Transcript:
    kept: list[LiveMessage] = []
    size_bytes = 0
    for row in newest_first[:SHOWN_MESSAGES]:
        message = _message(row)
        size_bytes += len(message.text.encode())
        if kept and size_bytes > SHOWN_BYTES:
            break
        kept.append(message)
    return Transcript(kept[::-1], is_whole=len(kept) == len(newest_first))


def _message(row: asyncpg.Record) -> LiveMessage:
    message = LiveMessage(
        id=row["id"],
        type=MessageType(row["type"]),
        status=MessageStatus(row["status"]),
        seq=row["seq"],
        tokens=row["tokens"],
        created_at=row["created_at"],
        author_ref=row["author"],
        author_name=public_name(row["author_name"], row["author"]) if row["author"] is not None else None,
        parent_id=row["parent_id"],
        model=row["model"],
        idem=row["idem"],
    )
    message.add(row["content"])
    return message


def public_name(chosen: str | None, ref: int) -> str:
    """Return how others see a member: the name they chose, else "Fan 2"."""
    return chosen or f"Fan {ref}"
