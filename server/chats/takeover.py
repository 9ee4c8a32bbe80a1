"""Taking a chat: one statement with one winner, and what a dead node's answer becomes (`docs/architecture.md`,
*Ownership*)."""

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from server.chats.checkpoints import Checkpoints
from server.chats.history import load_chat
from server.chats.live_chat import LiveChat
from server.chats.live_chats import LiveChats
from server.chats.nodes import Node
from server.chats.refusals import not_found
from server.chats.saving import EndedAnswer, Saved, lock_earner, save_answer
from server.chats.settling import Settling
from server.domain.chats import ChatState, CreditState, EndReason, end_answer
from server.domain.errors import Code, Refusal
from server.domain.meter import Meter
from server.ledger.accounts import Balance, lock_channels
from server.llm.tokens import count_off_loop
from server.storage.outages import outages_refused
from server.storage.postgres import Connection, Postgres, is_unreachable

REAPED_AT_ONCE_MAX: Final = 64
"""Chats of dead nodes that one round of the reaper looks at."""
UNREADABLE_ROUNDS_MAX: Final = 2
"""Rounds in which the reaper leaves an answer alone whose checkpoint Redis does not give; then it goes without one."""

_LOOK: Final = """
    SELECT chat.id, channel_id, epoch, state, credit_state, tokens_used, token_cap, message.id AS answer_id
      FROM chat LEFT JOIN message ON message.chat_id = chat.id AND message.status = 'STREAMING'
     WHERE chat.id = $1 AND deleted_at IS NULL
"""
# The lock on the owner's row makes a renewal that runs at this moment wait, or waits for it: a node whose renewal came
# through has learned of every chat that it lost. And who could not renew its own lease may not judge others.
_TAKE: Final = """
    UPDATE chat SET epoch = epoch + 1, owner_node = $3
     WHERE id = $1 AND epoch = $2 AND deleted_at IS NULL
       AND (state <> 'ANSWERING'
            OR $5 AND (owner_node = $3
                       OR $4 AND EXISTS (SELECT 1 FROM node WHERE id = $3 AND lease_until > clock_timestamp())
                          AND coalesce((SELECT lease_until FROM node WHERE id = owner_node FOR SHARE)
                                       < clock_timestamp(), true)))
    RETURNING epoch, state, credit_state, tokens_used
"""
_RUNNING: Final = "SELECT id FROM message WHERE chat_id = $1 AND status = 'STREAMING'"
_IS_MINE: Final = "SELECT epoch FROM chat WHERE id = $1 AND epoch = $2 + 1 AND owner_node = $3"
_ORPHANS: Final = """
    SELECT id FROM chat
     WHERE state = 'ANSWERING'
       AND CASE WHEN owner_node = $1 THEN NOT id = ANY($2)
                ELSE NOT EXISTS (SELECT 1 FROM node WHERE id = chat.owner_node AND lease_until > clock_timestamp()) END
     ORDER BY credit_state = 'SPENT', id LIMIT $3
"""
"""Refunds first: they wait for no checkpoint."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Left:
    """What a dead node has left of its answer, as far as Redis knows.

    Attributes:
        is_read: whether Redis was asked and knows no more than this.
    """

    text: str
    tokens: int
    is_read: bool


class _SeenTooEarly(Exception):
    """The chat is not any more as it was seen before it was taken: roll back."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """The chat is this node's.

    Attributes:
        balance: the channel's after a refund; None when there was none.
    """

    epoch: int
    balance: Balance | None = None


class Takeover:
    """Takes chats for this node."""

    def __init__(
        self, postgres: Postgres, node: Node, live_chats: LiveChats, checkpoints: Checkpoints, settling: Settling
    ) -> None:
        self._postgres = postgres
        self._node = node
        self._live_chats = live_chats
        self._checkpoints = checkpoints
        self._settling = settling
        self._rounds: dict[UUID, int] = {}

    @property
    def believes_in_death(self) -> bool:
        """Whether an ended lease means a dead node: not while this node is late itself, and not within a lease of
        trouble with Postgres, when the living could not renew theirs either."""
        since_trouble_seconds = time.monotonic() - self._node.trouble_seconds
        return not self._node.is_overdue and since_trouble_seconds > self._node.times.lease_seconds

    async def take(self, chat: LiveChat) -> bool:
        """Make this node the writer of a chat; False when somebody else has to end its running answer first: the living
        node that makes it, or the reaper, which may be waiting for a checkpoint (`UNREADABLE_ROUNDS_MAX`).

        Raises:
            Refusal: `not_found` when the chat is gone, `unavailable` when Postgres does not answer.
        """
        async with chat.taking:
            if chat.epoch is not None:
                return True
            with outages_refused():
                seen = await self._postgres.pool.fetchrow(_LOOK, chat.facts.id)
                if seen is None:
                    raise not_found()
                return await self._take(seen)

    async def _take(self, seen: asyncpg.Record) -> bool:
        """Take a chat that was seen so, and finish the answer of a dead node in the same transaction: nobody ever finds
        a chat that has a living owner and an answer that nobody makes."""
        left = None
        if seen["state"] == ChatState.ANSWERING:
            left = await self._look_for_text(seen)
            if left is None:
                return False
        try:
            taken = await self._postgres.transact(partial(self._take_and_finish, seen, left))
        except _SeenTooEarly:
            return False
        if taken is None:
            return False
        if left is not None:
            if left.is_read:
                await self._checkpoints.discard(seen["id"], seen["epoch"], seen["answer_id"])
            log.info("answer_of_a_dead_node_finished", chat=str(seen["id"]), refunded=taken.balance is not None)
        if taken.balance is not None:
            await self._settling.tell_refund(taken.balance, seen["id"])
        await self._show(seen["id"], taken.epoch)
        return True

    async def _look_for_text(self, seen: asyncpg.Record) -> _Left | None:
        """Return what is left of an answer; None: Redis may know it and cannot be asked, so wait a little."""
        if seen["credit_state"] != CreditState.SPENT:
            return _Left("", 0, is_read=False)  # no token has left, and the credit need not wait for Redis
        text = await self._checkpoints.read(seen["id"], seen["epoch"], seen["answer_id"])
        if text is None:
            has_waited = self._rounds.get(seen["id"], 0) > UNREADABLE_ROUNDS_MAX
            return _Left("", 0, is_read=False) if has_waited else None
        tokens = await count_off_loop(text)
        is_possible = seen["tokens_used"] + tokens <= seen["token_cap"]
        return _Left(text, tokens, is_read=True) if is_possible else _Left("", 0, is_read=True)

    async def _take_and_finish(self, seen: asyncpg.Record, left: _Left | None, connection: Connection) -> _Taken | None:
        if left is not None and seen["credit_state"] == CreditState.CHARGED:
            await lock_channels(connection, [seen["channel_id"]])  # channels before chats, as everywhere
        elif left is not None:
            await lock_earner(connection, seen["answer_id"])  # and sessions before both
        row = await connection.fetchrow(
            _TAKE, seen["id"], seen["epoch"], self._node.id, self.believes_in_death, left is not None
        )
        if row is None:  # unless an earlier try has done it, whose reply was lost
            epoch = await connection.fetchval(_IS_MINE, seen["id"], seen["epoch"], self._node.id)
            return None if epoch is None else _Taken(epoch)
        if row["state"] != ChatState.ANSWERING or left is None:
            return _Taken(row["epoch"])
        return await self._finish(connection, seen, row, left)

    @staticmethod
    async def _finish(connection: Connection, seen: asyncpg.Record, row: asyncpg.Record, left: _Left) -> _Taken:
        """Save what is left of the answer that a dead node was making; no first token → the credit goes back.

        Raises:
            _SeenTooEarly: the node was only slow: another answer runs by now, or a first token has left.
        """
        credit_state = CreditState(row["credit_state"])
        running_id = await connection.fetchval(_RUNNING, seen["id"])
        if (running_id, credit_state) != (seen["answer_id"], seen["credit_state"]):
            raise _SeenTooEarly
        used = row["tokens_used"] + left.tokens
        is_full = Meter(used, seen["token_cap"]).is_full
        ending = end_answer(EndReason.INTERRUPTED, credit_state, has_text=bool(left.text), is_full=is_full)
        saved, balance = await save_answer(
            connection,
            EndedAnswer(
                seen["id"], seen["channel_id"], row["epoch"], seen["answer_id"], left.text, left.tokens, used, ending
            ),
        )
        assert saved is Saved.DONE, saved
        return _Taken(row["epoch"], balance)

    async def _show(self, chat_id: UUID, epoch: int) -> None:
        """Bring the chat in memory to its new epoch; its followers get a snapshot."""
        chat = self._live_chats.held(chat_id)
        if chat is None or _has_reached(chat, epoch):
            return
        loaded = await load_chat(self._postgres, chat_id, self._live_chats.encode)
        if _has_reached(chat, epoch):
            return
        if loaded is None or loaded.stored_epoch != epoch:
            raise Refusal(Code.UNAVAILABLE, "Another node has taken this chat.")
        loaded.live.epoch = epoch
        chat.adopt(loaded.live)

    async def reap(self) -> int:
        """Finish the answers of dead nodes, and those that this node has in its rows but not in its memory (a turn that
        broke); returns how many."""
        if not self.believes_in_death:
            return 0
        orphans = await self._postgres.pool.fetch(
            _ORPHANS, self._node.id, list(self._live_chats.busy()), REAPED_AT_ONCE_MAX
        )
        self._rounds = {orphan["id"]: self._rounds.get(orphan["id"], 0) + 1 for orphan in orphans}
        reaped = 0
        for orphan in orphans:
            reaped += await self._reap(orphan["id"])
        return reaped

    async def _reap(self, chat_id: UUID) -> bool:
        chat = self._live_chats.held(chat_id)
        try:
            if chat is None:
                return await self._reap_unless(chat_id, None)
            async with chat.taking:
                return await self._reap_unless(chat_id, chat)
        except Exception as error:
            if is_unreachable(error):
                raise
            log.exception("chat_not_reaped", chat=str(chat_id))  # one broken chat must not keep the others waiting
            return False

    async def _reap_unless(self, chat_id: UUID, chat: LiveChat | None) -> bool:
        """Reap a chat, unless its answer has ended since it was found, or has begun on this node, or the chat came into
        memory meanwhile: the next round takes that one under its lock."""
        seen = await self._postgres.pool.fetchrow(_LOOK, chat_id)
        if seen is None or seen["state"] != ChatState.ANSWERING or (chat and chat.is_busy):
            return False
        if self._live_chats.held(chat_id) is not chat:
            return False
        return await self._take(seen)

    async def run(self) -> None:
        """Reap until cancelled."""
        while True:
            await asyncio.sleep(self._node.times.reaper_seconds)
            try:
                with outages_refused():
                    await self.reap()
            except Refusal as refusal:
                log.warning("reaper_waits", error=repr(refusal.__cause__ or refusal))
                self._node.trouble_seconds = time.monotonic()


def _has_reached(chat: LiveChat, epoch: int) -> bool:
    """Whether another taker on this node was quicker: an answer may run in the chat by now."""
    return chat.epoch is not None and chat.epoch >= epoch
