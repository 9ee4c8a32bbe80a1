"""The chats in the memory of this node."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID

import structlog

from server.chats.history import load_chat
from server.chats.live_chat import LiveChat
from server.domain.errors import Refusal
from server.domain.events import EncodeEvent
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

IDLE_SECONDS: Final = 60.0
"""How long a chat that nobody follows stays in memory, so that a socket that comes back finds its cursor."""
IDLE_CHATS_MAX: Final = 2_000
"""Chats that nobody follows and that stay all the same; the ones idle longest go first."""
REFRESH_SECONDS: Final = 1.0
"""How often idle chats are looked for, and changes of chats that another node writes."""

log = structlog.get_logger(__name__)


class LiveChats:
    """Loads each chat once, however many ask for it at the same moment, and forgets those that nobody needs."""

    def __init__(self, postgres: Postgres, encode: EncodeEvent) -> None:
        self.encode = encode
        self._postgres = postgres
        self._chats: dict[UUID, LiveChat] = {}
        self._loading: dict[UUID, asyncio.Lock] = {}

    def __iter__(self) -> Iterator[LiveChat]:
        return iter(list(self._chats.values()))

    def add(self, chat: LiveChat) -> LiveChat:
        """Keep a chat that is not in memory; return the one that is."""
        return self._chats.setdefault(chat.facts.id, chat)

    def held(self, chat_id: UUID) -> LiveChat | None:
        """Return a chat that is in memory; None when it is not."""
        return self._chats.get(chat_id)

    async def get(self, chat_id: UUID) -> LiveChat | None:
        """Return a chat, read from storage when it is not in memory or when another node writes it; None when there is
        none."""
        chat = self._chats.get(chat_id)
        if chat is not None:
            chat.touch()
            if chat.epoch is None:
                await self._refresh([chat])
            return self._chats.get(chat_id)
        async with self._loading.setdefault(chat_id, asyncio.Lock()):
            try:
                if chat_id not in self._chats:
                    loaded = await load_chat(self._postgres, chat_id, self.encode)
                    if loaded is None:
                        return None
                    return self._chats.setdefault(chat_id, loaded.live)  # `open` may have put it there meanwhile
                return self._chats[chat_id]
            finally:
                self._loading.pop(chat_id, None)

    async def reload(self, chat_id: UUID, lost_epoch: int | None) -> None:
        """Another node has the chat: drop what is here and show the followers what storage says.

        Args:
            lost_epoch: the epoch that turned out to be over, None when this node only read; nothing happens where the
                chat in memory has moved on since.

        Raises:
            Refusal: `unavailable`; the chat is dropped all the same.
        """
        chat = self._chats.get(chat_id)
        if chat is not None and chat.epoch == lost_epoch:
            if lost_epoch is not None:
                chat.lose()
            with outages_refused():
                await self._show_stored(chat)

    async def drop(self, lost_epochs: Mapping[UUID, int]) -> None:
        """Other nodes have these chats: all of them are dropped before anything is awaited, so that nothing more leaves
        any of them, and only then shown as storage has them.

        Args:
            lost_epochs: the epoch that turned out to be over, by chat.
        """
        held = [(self._chats.get(chat_id), epoch) for chat_id, epoch in lost_epochs.items()]
        lost = [chat for chat, epoch in held if chat is not None and chat.epoch == epoch]
        for chat in lost:
            chat.lose()
        for chat in lost:
            try:
                await self._show_stored(chat)
            except Exception as error:  # one of them must not keep the others waiting; `run` looks at it again
                log.warning("chat_not_shown", chat=str(chat.facts.id), error=repr(error))

    async def _show_stored(self, chat: LiveChat) -> None:
        """Show the followers of a chat that this node does not write what storage says."""
        loaded = await load_chat(self._postgres, chat.facts.id, self.encode)
        if chat.is_written_here:  # this node has taken it meanwhile
            return
        if loaded is None:
            self._chats.pop(chat.facts.id, None)
        elif chat.read_mark != loaded.live.read_mark:  # else somebody has shown it meanwhile
            chat.adopt(loaded.live)

    def owned(self) -> Mapping[UUID, int]:
        """Return the chats that this node writes, with their epochs."""
        return {chat_id: chat.epoch for chat_id, chat in self._chats.items() if chat.epoch is not None}

    def busy(self) -> list[UUID]:
        """Return the chats in which an answer runs on this node, or is about to."""
        return [chat_id for chat_id, chat in self._chats.items() if chat.is_busy]

    async def run(self) -> None:
        """Forget idle chats, and look at what other nodes make of chats that are followed here, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            self.forget_idle(time.monotonic())
            for chat in self:
                chat.log.trim(time.monotonic())
            try:
                with outages_refused():
                    await self._refresh([chat for chat in self if chat.epoch is None and chat.followers])
            except Refusal as refusal:
                log.warning("chats_not_refreshed", error=repr(refusal.__cause__))

    async def _refresh(self, chats: Sequence[LiveChat]) -> None:
        """Show a snapshot of each chat that has changed in storage since it was read; this node does not write them."""
        if not chats:
            return
        rows = await self._postgres.pool.fetch(
            "SELECT id, epoch, state, tokens_used FROM chat WHERE id = ANY($1) AND deleted_at IS NULL",
            [chat.facts.id for chat in chats],
        )
        marks = {row["id"]: (row["epoch"], row["state"], row["tokens_used"]) for row in rows}
        for chat in chats:
            if marks.get(chat.facts.id) != chat.read_mark:
                await self.reload(chat.facts.id, None)

    def forget_idle(self, now_seconds: float) -> None:
        """Forget what nobody follows: what has been idle for long, and the longest idle above the number kept.

        A forgotten chat is not owned any more; the next message takes it under a new epoch.
        """
        idle = sorted(
            (chat for chat in self._chats.values() if not chat.followers and not chat.is_answering),
            key=lambda chat: chat.idle_since_seconds,
            reverse=True,
        )
        for place, chat in enumerate(idle):
            is_old = now_seconds - chat.idle_since_seconds > IDLE_SECONDS
            if (is_old or place >= IDLE_CHATS_MAX) and not (chat.taking.locked() or chat.sending.locked()):
                del self._chats[chat.facts.id]
