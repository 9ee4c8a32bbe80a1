"""Closing a chat: it becomes read-only. A running answer is stopped first, and kept."""

from typing import Final

from server.chats.live_chat import LiveChat
from server.chats.refusals import not_found
from server.chats.takeover import Takeover
from server.domain.chats import ChatEvent, ChatState, next_chat_state
from server.domain.errors import Code, Refusal
from server.domain.events import ChatClosed, ClosedReason
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

TRIES_MAX: Final = 2
"""How often a close is tried when the chat turns out to be another node's."""


class Closing:
    """Closes chats on the node that writes them."""

    def __init__(self, postgres: Postgres, takeover: Takeover) -> None:
        self._postgres = postgres
        self._takeover = takeover

    async def close(self, chat: LiveChat) -> None:
        """Close a chat; one that is closed stays so.

        Raises:
            Refusal: `busy` when another node is answering in it, `not_found` when it is gone, `unavailable`.
        """
        for _ in range(TRIES_MAX):
            if chat.runner is not None:
                chat.runner.stop()
                await chat.ended.wait()
            if chat.state is ChatState.CLOSED:
                return
            if chat.epoch is None and not await self._takeover.take(chat):
                raise Refusal(Code.BUSY, "An answer is running in this chat.")
            epoch = chat.epoch
            if await self._close(chat, epoch) and chat.epoch == epoch:
                chat.state = next_chat_state(chat.state, ChatEvent.CLOSE)
                chat.publish(ChatClosed(ClosedReason.USER))
                return
        raise Refusal(Code.UNAVAILABLE, "This chat is moving between servers. Try again.", after_seconds=1.0)

    async def _close(self, chat: LiveChat, epoch: int | None) -> bool:
        """Write that the chat is closed; False: another node has taken it, and this one has dropped it."""
        with outages_refused():
            status = await self._postgres.pool.execute(
                # One that is CLOSED already was closed by an earlier try, whose reply was lost.
                "UPDATE chat SET state = 'CLOSED' WHERE id = $1 AND epoch = $2 AND state <> 'ANSWERING'",
                chat.facts.id,
                epoch,
            )
            if status == "UPDATE 1":
                return True
            stored_epoch = await self._postgres.pool.fetchval("SELECT epoch FROM chat WHERE id = $1", chat.facts.id)
        if stored_epoch is None:
            raise not_found()
        if stored_epoch == epoch:
            raise Refusal(Code.BUSY, "A message is being sent in this chat.")
        if chat.epoch == epoch:
            chat.epoch = None  # taking it loads it anew; else `LiveChats.run` shows what has become of it
        return False
