"""Closing a chat: it becomes read-only. A running answer is stopped first, and kept."""

from server.chats.live_chat import LiveChat
from server.chats.refusals import not_found
from server.chats.takeover import Takeover
from server.domain.chats import ChatEvent, ChatState, next_chat_state
from server.domain.errors import Code, Refusal
from server.domain.events import ChatClosed, ClosedReason
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres


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
        if chat.runner is not None:
            chat.runner.stop()
            await chat.ended.wait()
        if chat.state is ChatState.CLOSED:
            return
        if chat.epoch is None and not await self._takeover.take(chat):
            raise Refusal(Code.BUSY, "An answer is running in this chat.")
        with outages_refused():
            status = await self._postgres.pool.execute(
                # One that is CLOSED already was closed by an earlier try, whose reply was lost.
                "UPDATE chat SET state = 'CLOSED' WHERE id = $1 AND epoch = $2 AND state <> 'ANSWERING'",
                chat.facts.id,
                chat.epoch,
            )
            is_gone = status == "UPDATE 0" and await self._is_gone(chat)
        if is_gone:
            raise not_found()
        if status != "UPDATE 1":
            raise Refusal(Code.BUSY, "A message is being sent in this chat.")
        chat.state = next_chat_state(chat.state, ChatEvent.CLOSE)
        chat.publish(ChatClosed(ClosedReason.USER))

    async def _is_gone(self, chat: LiveChat) -> bool:
        return not await self._postgres.pool.fetchval("SELECT true FROM chat WHERE id = $1", chat.facts.id)
