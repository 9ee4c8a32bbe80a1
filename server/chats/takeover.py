"""Taking a chat: one statement with one winner, and what a dead node's answer becomes (`docs/architecture.md`,
*Ownership*)."""

import asyncio
import time
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from server.chats.checkpoints import Checkpoints
from server.chats.history import load_chat
from server.chats.live_chat import LiveChat
from server.chats.live_chats import LiveChats
from server.chats.nodes import Node
from server.chats.opening import not_found
from server.chats.saving import EndedAnswer
from server.chats.settling import Settling
from server.domain.chats import ChatState, CreditState, EndReason, end_answer
from server.domain.errors import Code, Refusal
from server.domain.meter import Meter
from server.llm.tokens import count_off_loop
from server.storage.outages import is_outage, outages_refused
from server.storage.postgres import Postgres

REAPED_AT_ONCE_MAX: Final = 64
"""Chats of dead nodes that one round of the reaper looks at."""

_TAKE: Final = """
    UPDATE chat SET epoch = epoch + 1, owner_node = $3
     WHERE id = $1 AND epoch = $2 AND deleted_at IS NULL
       AND (state <> 'ANSWERING'
            OR owner_node = $3
            OR $4 AND NOT EXISTS (SELECT 1 FROM node WHERE id = owner_node AND lease_until > clock_timestamp()))
    RETURNING id, channel_id, epoch, state, credit_state, tokens_used, token_cap
"""
_ORPHANS: Final = """
    SELECT id, epoch FROM chat
     WHERE state = 'ANSWERING'
       AND CASE WHEN owner_node = $1 THEN NOT id = ANY($2)
                ELSE NOT EXISTS (SELECT 1 FROM node WHERE id = chat.owner_node AND lease_until > clock_timestamp()) END
     ORDER BY id LIMIT $3
"""

log = structlog.get_logger(__name__)


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

    @property
    def believes_in_death(self) -> bool:
        """Whether an ended lease means a dead node: not within a lease of trouble with Postgres, when the living could
        not renew theirs either."""
        return time.monotonic() - self._node.trouble_seconds > self._node.times.lease_seconds

    async def take(self, chat: LiveChat) -> bool:
        """Make this node the writer of a chat; False when a running answer of a living node has it.

        Raises:
            Refusal: `not_found` when the chat is gone, `unavailable` when Postgres does not answer.
        """
        async with chat.taking:
            if chat.epoch is not None:
                return True
            with outages_refused():
                seen = await self._postgres.pool.fetchval(
                    "SELECT epoch FROM chat WHERE id = $1 AND deleted_at IS NULL", chat.facts.id
                )
                if seen is None:
                    raise not_found()
                return await self._take(chat.facts.id, seen)

    async def _take(self, chat_id: UUID, seen_epoch: int) -> bool:
        row = await self._postgres.pool.fetchrow(_TAKE, chat_id, seen_epoch, self._node.id, self.believes_in_death)
        if row is None:
            return False
        if row["state"] == ChatState.ANSWERING:
            await self._finish_for_the_dead(row)
        await self._show(chat_id, row["epoch"])
        return True

    async def _finish_for_the_dead(self, row: asyncpg.Record) -> None:
        """Save what is left of the answer that a dead node was making; no first token → the credit goes back."""
        dead_epoch = row["epoch"] - 1
        message_id = await self._postgres.pool.fetchval(
            "SELECT id FROM message WHERE chat_id = $1 AND status = 'STREAMING'", row["id"]
        )
        credit_state = CreditState(row["credit_state"])
        text = ""
        if credit_state is CreditState.SPENT:
            text = await self._checkpoints.read(row["id"], dead_epoch, message_id)
        tokens = await count_off_loop(text)
        used = row["tokens_used"] + tokens
        is_full = Meter(used, row["token_cap"]).is_full
        ending = end_answer(EndReason.INTERRUPTED, credit_state, has_text=bool(text), is_full=is_full)
        await self._settling.save(
            EndedAnswer(row["id"], row["channel_id"], row["epoch"], message_id, text, tokens, used, ending)
        )
        await self._checkpoints.discard(row["id"], dead_epoch, message_id)
        log.info("answer_of_a_dead_node_finished", chat=str(row["id"]), tokens=tokens, refunded=ending.refunds)

    async def _show(self, chat_id: UUID, epoch: int) -> None:
        """Bring the chat in memory to its new epoch; its followers get a snapshot."""
        chat = self._live_chats.held(chat_id)
        if chat is None:
            return
        loaded = await load_chat(self._postgres, chat_id, self._live_chats.encode)
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
            _ORPHANS, self._node.id, list(self._live_chats.owned()), REAPED_AT_ONCE_MAX
        )
        reaped = 0
        for orphan in orphans:
            reaped += await self._reap(orphan["id"], orphan["epoch"])
        return reaped

    async def _reap(self, chat_id: UUID, epoch: int) -> bool:
        chat = self._live_chats.held(chat_id)
        try:
            if chat is None:
                return await self._take(chat_id, epoch)
            async with chat.taking:
                return await self._take(chat_id, epoch)
        except Exception as error:
            if is_outage(error):
                raise
            log.exception("chat_not_reaped", chat=str(chat_id))  # one broken chat must not keep the others waiting
            return False

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
