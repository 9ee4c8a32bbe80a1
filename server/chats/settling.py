"""Saving the end of an answer, whatever it takes: text, state and refund in one transaction, until it is known."""

import asyncio
from collections.abc import Callable
from typing import Final
from uuid import UUID

import structlog

from server.chats.saving import EndedAnswer, Saved, save_answer
from server.domain.events import CreditReason
from server.ledger.accounts import Balance
from server.ledger.credits import Credits
from server.storage.outages import is_outage
from server.storage.postgres import Postgres, may_be_repeated

RETRY_FIRST_SECONDS: Final = 0.1
RETRY_MAX_SECONDS: Final = 1.0

BalanceChanged = Callable[[Balance, CreditReason], None]
"""Told of every balance that this node has changed, after the commit."""

log = structlog.get_logger(__name__)


class Settling:
    """Saves answers and tells what their refunds did to the balance."""

    def __init__(self, postgres: Postgres, credits: Credits, balance_changed: BalanceChanged) -> None:
        self._postgres = postgres
        self._credits = credits
        self._balance_changed = balance_changed

    async def save(self, answer: EndedAnswer) -> Saved:
        """Save an answer; repeated for as long as Postgres is out of reach. Raises only what is a mistake of ours."""
        delay_seconds = RETRY_FIRST_SECONDS
        while True:
            try:
                async with self._postgres.pool.acquire() as connection, connection.transaction():
                    saved, balance = await save_answer(connection, answer)
                break
            except Exception as error:
                if not (may_be_repeated(error) or is_outage(error)):
                    raise
                log.warning("answer_not_saved_yet", chat=str(answer.chat_id), error=repr(error))
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(2 * delay_seconds, RETRY_MAX_SECONDS)
        if balance is not None:
            await self.tell_refund(balance, answer.chat_id)
        return saved

    async def tell_refund(self, balance: Balance, chat_id: UUID) -> None:
        """Tell the watchers and Redis what a refund, committed just now, did to the balance."""
        self._balance_changed(balance, CreditReason.REFUND)
        await self.publish(balance, chat_id)

    async def publish(self, balance: Balance, chat_id: UUID) -> None:
        """Tell Redis a balance that was committed for this chat. Whatever goes wrong there heals by itself, and is no
        reason to end answers, or to end them without a word."""
        try:
            await self._credits.publish([balance], [chat_id])
        except Exception:
            log.exception("balance_not_published")
