"""Redis admits, Postgres decides: a cheap "surely not" before the charge, and the copy of the balance it is read from.

Redis holds the balance that Postgres committed last, with its version, and the chats whose first message is under way.
It may be empty, stale, full of garbage or gone: the group commit decides again under the channel's lock.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog

from server.ledger.accounts import Balance
from server.ledger.shared_reads import SharedReads
from server.storage.outages import is_outage
from server.storage.postgres import Postgres
from server.storage.redis import Redis, RedisUnavailable, balance_key, reservations_key

__all__ = ["Balance", "Credits"]

BALANCE_LIVES_SECONDS: Final = 5
"""How long Redis keeps a balance that nobody publishes again: whatever is wrong with it heals within this time."""
RESERVATION_SECONDS: Final = 5
"""How long a reservation holds whose start is never decided; longer than a group commit is tried."""
USED_MAX: Final = 10_000
"""Channels that are refreshed; whatever is used beyond these between two rounds is left to its expiry."""
PUBLISHED_AT_ONCE_MAX: Final = 500
"""Channels in one round trip to Redis."""

log = structlog.get_logger(__name__)


class Credits:
    """The copy of the balances in Redis, seen from one node."""

    def __init__(self, postgres: Postgres, redis: Redis) -> None:
        self._postgres = postgres
        self._redis = redis
        self._balances: SharedReads[UUID, Balance | None] = SharedReads(self._read_and_publish)
        self._used: set[UUID] = set()
        self._used_before: set[UUID] = set()

    async def reserve(self, channel_id: UUID, chat_id: UUID) -> bool:
        """Reserve a credit for the first message of a chat; asking again for the same chat changes nothing.

        Returns:
            False: there is surely no credit. True: let the group commit decide, which is also the answer while Redis or
            Postgres cannot be asked.
        """
        try:
            answer = await self._ask(channel_id, chat_id)
            if answer == b"MISS":
                await self._balances.get(channel_id)
                answer = await self._ask(channel_id, chat_id)
            if answer != b"EMPTY":
                return True
            balance = await self._balances.get(channel_id)
        except RedisUnavailable:
            return True
        except Exception as error:
            if not is_outage(error):
                raise
            return True
        return balance is None or balance.balance > 0

    async def release(self, channel_id: UUID, chat_id: UUID) -> None:
        """Give a reservation back whose start was refused; else it holds for ``RESERVATION_SECONDS``."""
        await self._run_publish([_call(channel_id, None, [chat_id])])

    async def publish(self, balances: Sequence[Balance], released: Sequence[UUID] = ()) -> None:
        """Tell Redis what Postgres has committed; never raises for what is wrong with Redis, which heals by itself.

        Args:
            balances: as they were returned by the transactions, in any order: the newest version of a channel wins.
            released: chats of these channels whose start is decided: their reservations end.
        """
        for balance in balances:
            self._note_use(balance.channel_id)
        await self._run_publish([_call(balance.channel_id, balance, released) for balance in balances])

    async def refresh(self) -> None:
        """Read the balances of the channels that were used since the last call but one, and publish them.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: they could not be read.
        """
        used = list(self._used | self._used_before)
        for at in range(0, len(used), PUBLISHED_AT_ONCE_MAX):
            rows = await self._postgres.pool.fetch(
                "SELECT id, credit_balance, ledger_version FROM channel WHERE id = ANY($1)",
                used[at : at + PUBLISHED_AT_ONCE_MAX],
            )
            balances = [Balance(row["id"], row["credit_balance"], row["ledger_version"]) for row in rows]
            await self._run_publish([_call(balance.channel_id, balance, ()) for balance in balances])
        self._used, self._used_before = set(), self._used

    async def _ask(self, channel_id: UUID, chat_id: UUID) -> bytes:
        self._note_use(channel_id)
        answer: bytes = await self._redis.script(
            "reserve",
            [balance_key(channel_id), reservations_key(channel_id)],
            [str(chat_id), RESERVATION_SECONDS * 1000, BALANCE_LIVES_SECONDS * 1000],
        )
        return answer

    async def _read_and_publish(self, channel_id: UUID) -> Balance | None:
        row = await self._postgres.pool.fetchrow(
            "SELECT credit_balance, ledger_version FROM channel WHERE id = $1", channel_id
        )
        if row is None:
            return None
        balance = Balance(channel_id, row["credit_balance"], row["ledger_version"])
        await self._run_publish([_call(channel_id, balance, ())])
        return balance

    async def _run_publish(self, calls: Sequence[tuple[Sequence[str], Sequence[str | int]]]) -> None:
        if not calls:
            return
        try:
            await self._redis.scripts("publish", calls)
        except RedisUnavailable as error:
            log.debug("credits.not_published", error=str(error))

    def _note_use(self, channel_id: UUID) -> None:
        if len(self._used) < USED_MAX:
            self._used.add(channel_id)


def _call(
    channel_id: UUID, balance: Balance | None, released: Sequence[UUID]
) -> tuple[Sequence[str], Sequence[str | int]]:
    facts: list[str | int] = ["", ""] if balance is None else [balance.balance, balance.version]
    return (
        [balance_key(channel_id), reservations_key(channel_id)],
        [*facts, BALANCE_LIVES_SECONDS * 1000, *map(str, released)],
    )
