"""The credit that is kept in Redis for a chat's first message, asked for beside everything else that is asked."""

import asyncio

import structlog

from server.chats.live_chat import LiveChat
from server.chats.refusals import no_credit
from server.ledger.credits import Credits

log = structlog.get_logger(__name__)


class Reservation:
    """One chat's credit, until its start is decided. Redis admits, Postgres decides."""

    def __init__(self, credits: Credits, chat: LiveChat, tasks: asyncio.TaskGroup) -> None:
        """Begin to ask.

        Args:
            tasks: runs the question.
        """
        self._credits = credits
        self._chat = chat
        self._asking = tasks.create_task(self._ask())

    async def confirm(self) -> None:
        """Wait for the answer.

        Raises:
            Refusal: ``no_credit``, there is surely none.
        """
        if not await self._asking:
            raise no_credit()

    async def release(self) -> None:
        """The start was refused, or the message is not taken: the credit is free for others."""
        if await self._asking:
            await self._credits.release(self._chat.facts.channel_id, self._chat.facts.id)

    async def _ask(self) -> bool:
        try:
            return await self._credits.reserve(self._chat.facts.channel_id, self._chat.facts.id)
        except Exception:
            log.exception("credit_not_reserved", chat=str(self._chat.facts.id))
            return True  # the commit decides
