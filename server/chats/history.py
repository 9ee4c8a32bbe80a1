"""Chats in Postgres: read one into memory, and save an answer that has ended.

An answer is saved in one transaction that only the owner of the epoch can win; it is repeated until its outcome is
known, so what was streamed is stored or surely belongs to another node (`docs/ledger.md`, *Lost replies*).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from uuid import UUID

import asyncpg

from server.chats.live_chat import ChatFacts, LiveChat, Owner
from server.chats.transcript import SHOWN_BYTES, SHOWN_MESSAGES, LiveMessage, Transcript
from server.domain.chats import ChatState, CreditState, Ending, EndReason, MessageStatus, MessageType
from server.domain.events import EncodeEvent
from server.ledger import charging, quotas
from server.ledger.accounts import Balance
from server.storage.postgres import Connection, Postgres

MESSAGES_MAX: Final = 4_096
"""Messages of one chat that are ever read: more than 50,000 tokens can hold with one token each and its answer."""

_CHAT = """
    SELECT chat.*, channel.name AS channel_name FROM chat JOIN channel ON channel.id = chat.channel_id
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
    return LoadedChat(_live_chat(row, _transcript(messages), encode), row["epoch"])


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


@dataclass(frozen=True, slots=True)
class EndedAnswer:
    """An answer that is to be saved.

    Attributes:
        tokens: the whole encoding of `text`.
        tokens_used: of the chat, this answer included.
        prompt_tokens: the provider's own figure; None: it sent none.
        completion_tokens: the same for the answer.
    """

    chat_id: UUID
    channel_id: UUID
    epoch: int
    message_id: UUID
    text: str
    tokens: int
    tokens_used: int
    ending: Ending
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Saved(Enum):
    """What became of saving an answer."""

    DONE = auto()
    CREDIT_WAS_SPENT = auto()
    EPOCH_LOST = auto()


async def save_answer(connection: Connection, answer: EndedAnswer) -> tuple[Saved, Balance | None]:
    """Save an answer inside the caller's transaction.

    Returns:
        DONE, with the channel's balance after a refund; CREDIT_WAS_SPENT when a refund was asked for and the first
        token's mark is in the row, so that the answer must end without one; EPOCH_LOST when another node has the chat.
        Saving the same answer again gives DONE (without a balance).
    """
    if answer.ending.refunds:
        await charging.lock_channels(connection, [answer.channel_id])
    row = await connection.fetchrow(
        "SELECT epoch, state, credit_state, quota_day, address_digest, session_id FROM chat WHERE id = $1 FOR UPDATE",
        answer.chat_id,
    )
    if row is None or row["epoch"] != answer.epoch:
        return Saved.EPOCH_LOST, None
    if row["state"] != ChatState.ANSWERING:
        return Saved.DONE, None
    balance = None
    if answer.ending.refunds:
        balance = await charging.refund(connection, answer.chat_id, answer.epoch)
        if balance is None:
            return Saved.CREDIT_WAS_SPENT, None
        await _give_back_quota(connection, row, answer.ending.why)
    await connection.execute(
        "UPDATE chat SET state = $2, tokens_used = $3 WHERE id = $1",
        answer.chat_id,
        answer.ending.chat_state,
        answer.tokens_used,
    )
    await connection.execute(
        """
        UPDATE message SET content = $2, tokens = $3, status = $4, prompt_tokens = $5, completion_tokens = $6
         WHERE id = $1 AND status = 'STREAMING'
        """,
        answer.message_id,
        answer.text,
        answer.tokens,
        answer.ending.message_status,
        answer.prompt_tokens,
        answer.completion_tokens,
    )
    return Saved.DONE, balance


async def _give_back_quota(connection: Connection, row: asyncpg.Record, why: EndReason) -> None:
    """A provider's failure does not count toward the visitor's day; what the user stopped does."""
    if row["quota_day"] is None or why is EndReason.USER_STOP:
        return
    subjects = sorted({f"s:{row['session_id']}", f"a:{row['address_digest']}"})
    await quotas.give_back(connection, row["quota_day"], dict.fromkeys(subjects, 1))
