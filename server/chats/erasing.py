"""The chats of deleted users: texts and titles are erased, batch by batch; the rows stay, for the credits they took.

A chat that is erased has a new epoch. So whoever writes it, here or on another node, drops it and its running answer,
and saves nothing of it any more; a credit for which no token has left goes back.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from server.chats.checkpoints import Checkpoints
from server.chats.live_chats import LiveChats
from server.chats.settling import BalanceChanged
from server.domain.chats import CreditState
from server.domain.errors import Refusal
from server.domain.events import CreditReason
from server.ledger import charging
from server.ledger.accounts import Balance, ChannelAccount, lock_channels
from server.ledger.credits import Credits
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres

CHATS_AT_ONCE_MAX: Final = 50
"""Chats of one transaction."""
USERS_AT_ONCE_MAX: Final = 100
"""Deleted users of one round whose chats are not erased yet."""
PERIOD_SECONDS: Final = 60.0
"""How often it is looked for those whom a node that died, or trouble with Postgres, has left over."""

_DUE: Final = """
SELECT id FROM "user" WHERE deleted_at IS NOT NULL AND erased_at IS NULL ORDER BY deleted_at LIMIT $1
"""
_SOME: Final = "SELECT id, channel_id FROM chat WHERE user_id = $1 AND deleted_at IS NULL ORDER BY id LIMIT $2"
_LOCK: Final = """
SELECT id, channel_id, epoch, credit_state,
       (SELECT message.id FROM message WHERE chat_id = chat.id AND status = 'STREAMING') AS answer_id
  FROM chat WHERE id = ANY($1) AND deleted_at IS NULL ORDER BY id FOR UPDATE
"""
_ERASE: Final = (
    "DELETE FROM shared_chat WHERE chat_id = ANY($1)",
    "DELETE FROM message WHERE chat_id = ANY($1)",
    "DELETE FROM chat_member WHERE chat_id = ANY($1)",
    """
    UPDATE chat SET title = NULL, address_digest = NULL, quota_day = NULL, state = 'CLOSED', epoch = epoch + 1,
           deleted_at = clock_timestamp()
     WHERE id = ANY($1)
    """,
)
_DONE: Final = """
UPDATE "user" SET erased_at = clock_timestamp() WHERE id = $1 AND deleted_at IS NOT NULL AND erased_at IS NULL
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Erased:
    """A chat that was erased.

    Attributes:
        epoch: that it had.
        answer_id: of the answer that ran; None: none did.
        balance: the channel's after a refund; None: there was none.
    """

    chat_id: UUID
    epoch: int
    answer_id: UUID | None
    balance: Balance | None


class Erasing:
    """Erases chats."""

    def __init__(
        self,
        postgres: Postgres,
        channel_credits: Credits,
        checkpoints: Checkpoints,
        live_chats: LiveChats,
        balance_changed: BalanceChanged,
    ) -> None:
        self._postgres = postgres
        self._credits = channel_credits
        self._checkpoints = checkpoints
        self._live_chats = live_chats
        self._balance_changed = balance_changed

    async def erase_chats_of(self, user_id: UUID) -> int:
        """Erase all chats of a deleted user; returns how many there were. Doing it again, or at two nodes at once, is
        as good as once.

        Raises:
            Refusal: unavailable; `run` goes on with what is left.
        """
        count = 0
        while True:
            with outages_refused():
                erased = await self._postgres.transact(partial(_erase_some, user_id))
            if erased is None:
                break
            count += len(erased)
            await self._tell(erased)
        with outages_refused():
            await self._postgres.pool.execute(_DONE, user_id)
        return count

    async def erase_due(self) -> int:
        """Erase what was left over; returns how many chats there were.

        Raises:
            Refusal: unavailable.
        """
        with outages_refused():
            due = await self._postgres.pool.fetch(_DUE, USERS_AT_ONCE_MAX)
        return sum([await self.erase_chats_of(row["id"]) for row in due])

    async def run(self) -> None:
        """Do so every minute until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                await self.erase_due()
            except Refusal as refusal:
                log.warning("chats_not_erased_yet", error=repr(refusal.__cause__))

    async def _tell(self, erased: Sequence[_Erased]) -> None:
        """Drop the chats from this node's memory and from Redis, and tell the new balances."""
        await self._live_chats.drop({one.chat_id: one.epoch for one in erased})
        for one in erased:
            if one.answer_id is not None:
                await self._checkpoints.discard(one.chat_id, one.epoch, one.answer_id)
            if one.balance is not None:
                self._balance_changed(one.balance, CreditReason.REFUND)
                await self._credits.publish([one.balance], [one.chat_id])


async def _erase_some(user_id: UUID, conn: Connection) -> list[_Erased] | None:
    """Erase the next chats of a user; None: there are none left."""
    rows = await conn.fetch(_SOME, user_id, CHATS_AT_ONCE_MAX)
    if not rows:
        return None
    accounts = await lock_channels(conn, {row["channel_id"] for row in rows})  # channels before chats, as everywhere
    chats = await conn.fetch(_LOCK, [row["id"] for row in rows])
    erased = [
        _Erased(chat["id"], chat["epoch"], chat["answer_id"], await _refund(conn, accounts, chat)) for chat in chats
    ]
    for statement in _ERASE:
        await conn.execute(statement, [one.chat_id for one in erased])
    return erased


async def _refund(conn: Connection, accounts: dict[UUID, ChannelAccount], chat: asyncpg.Record) -> Balance | None:
    """Give the credit of a chat back of which no token has left; None: there is nothing to give back."""
    if chat["credit_state"] != CreditState.CHARGED:
        return None
    account = accounts[chat["channel_id"]]
    balance = await charging.refund(conn, account, chat["id"], chat["epoch"])
    if balance is not None:
        accounts[account.id] = replace(account, balance=balance.balance, version=balance.version)
    return balance
