"""The chats in the memory of this node."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Final
from uuid import UUID

from server.chats.history import load_chat
from server.chats.live_chat import LiveChat
from server.domain.events import EncodeEvent
from server.storage.postgres import Postgres

IDLE_SECONDS: Final = 60.0
"""How long a chat that nobody follows stays in memory, so that a socket that comes back finds its cursor."""
IDLE_CHATS_MAX: Final = 2_000
"""Chats that nobody follows and that stay all the same; the ones idle longest go first."""
SWEEP_SECONDS: Final = 5.0


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
        """Return a chat, read from storage when it is not in memory; None when there is none."""
        chat = self._chats.get(chat_id)
        if chat is not None:
            chat.touch()
            return chat
        async with self._loading.setdefault(chat_id, asyncio.Lock()):
            try:
                if chat_id not in self._chats:
                    loaded = await load_chat(self._postgres, chat_id, self.encode)
                    if loaded is None:
                        return None
                    self._chats[chat_id] = loaded.live
                return self._chats[chat_id]
            finally:
                self._loading.pop(chat_id, None)

    async def reload(self, chat_id: UUID) -> None:
        """Another node has the chat: drop what is here and show the followers what storage says."""
        chat = self._chats.get(chat_id)
        if chat is None:
            return
        chat.epoch = None
        loaded = await load_chat(self._postgres, chat_id, self.encode)
        if loaded is None:
            del self._chats[chat_id]
        else:
            chat.adopt(loaded.live)

    def owned(self) -> Mapping[UUID, int]:
        """Return the chats that this node writes, with their epochs."""
        return {chat_id: chat.epoch for chat_id, chat in self._chats.items() if chat.epoch is not None}

    async def run(self) -> None:
        """Forget idle chats until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.forget_idle(time.monotonic())

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
            if (is_old or place >= IDLE_CHATS_MAX) and not chat.taking.locked():
                del self._chats[chat.facts.id]
