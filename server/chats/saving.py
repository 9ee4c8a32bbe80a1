"""The rows of an answer that has ended: text, state and refund, written by the owner of the epoch or by nobody."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final
from uuid import UUID

import asyncpg

from server.domain.chats import ChatState, Ending, EndReason
from server.ledger import badges, charging, quotas
from server.ledger.accounts import Balance
from server.storage.postgres import Connection

_FIRST_ANSWER_SEQ: Final = 2
"""A chat's first message is 1."""


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


async def lock_earner(connection: Connection, message_id: UUID) -> bool:
    """Lock the session in which the chat of this answer was opened, FOR SHARE, if it is the chat's first answer, whose
    end may earn a badge; returns whether it is.

    Sessions are locked before chats: who locks the chat before `save_answer` does, calls this first.
    """
    locked = await connection.fetchval(
        """
        SELECT true FROM session
         WHERE id = (SELECT chat.session_id FROM message JOIN chat ON chat.id = message.chat_id
                      WHERE message.id = $1 AND message.seq = $2)
           FOR SHARE
        """,
        message_id,
        _FIRST_ANSWER_SEQ,
    )
    return bool(locked)


async def save_answer(connection: Connection, answer: EndedAnswer) -> tuple[Saved, Balance | None]:
    """Save an answer inside the caller's transaction. The first answer of a chat whose credit is spent also earns the
    badges for chats: from here on nothing gives the credit back.

    Returns:
        DONE, with the channel's balance after a refund; CREDIT_WAS_SPENT when a refund was asked for and the first
        token's mark is in the row, so that the answer must end without one; EPOCH_LOST when another node has the chat.
        Saving the same answer again gives DONE (without a balance).
    """
    earns, account = False, None
    if answer.ending.refunds:
        account = (await charging.lock_channels(connection, [answer.channel_id]))[answer.channel_id]
    else:
        earns = await lock_earner(connection, answer.message_id)
    row = await connection.fetchrow(
        "SELECT epoch, state, credit_state, quota_day, address_digest, session_id FROM chat WHERE id = $1 FOR UPDATE",
        answer.chat_id,
    )
    if row is None or row["epoch"] != answer.epoch:
        return Saved.EPOCH_LOST, None
    if row["state"] != ChatState.ANSWERING:
        return Saved.DONE, None
    balance = None
    if account is not None:
        balance = await charging.refund(connection, account, answer.chat_id, answer.epoch)
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
    if earns:
        await badges.award_for_chat(connection, answer.chat_id)
    return Saved.DONE, balance


async def _give_back_quota(connection: Connection, row: asyncpg.Record, why: EndReason) -> None:
    """A provider's failure does not count toward the visitor's day; what the user stopped does."""
    if row["quota_day"] is None or why is EndReason.USER_STOP:
        return
    subjects = sorted({f"s:{row['session_id']}", f"a:{row['address_digest']}"})
    await quotas.give_back(connection, row["quota_day"], dict.fromkeys(subjects, 1))
