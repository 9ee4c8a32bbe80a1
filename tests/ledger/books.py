"""Channels, sessions and chats to keep books of, and the smallest group commit there can be."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from server.domain.transactions import CreditEntryKind, TransactionType
from server.ledger import charging
from server.ledger.accounts import Balance, lock_channels, post
from server.ledger.audit import check
from server.ledger.contributions import NewContribution, Settlement, begin, settle
from server.storage.ids import new_id
from server.storage.postgres import Connection, Postgres

NODE = UUID("01a202c0-0000-7000-8000-000000000001")


@dataclass
class Books:
    """Writes what a test begins with; all of it stands in the ledger, so the check is clean.

    Attributes:
        are_broken: a test that breaks them on purpose says so; all others leave them right.
    """

    postgres: Postgres
    are_broken: bool = False

    async def channel(self, credits_: int = 0, *, goal_cents: int = 1_000, is_active: bool = True) -> UUID:
        """A channel; on air, unless told otherwise, because somebody gave all of its goal."""
        channel_id = new_id()
        await self.postgres.pool.execute(
            "INSERT INTO channel (id, name, title, activation_goal_cents) VALUES ($1, $2, 'A channel', $3)",
            channel_id,
            f"channel-{channel_id}",
            goal_cents,
        )
        if is_active:
            await self.give(channel_id, TransactionType.ACTIVATION, goal_cents)
        if credits_:
            await self.add_credits(channel_id, credits_)
        return channel_id

    async def add_credits(self, channel_id: UUID, credits_: int) -> Balance:
        """An ADJUST entry."""
        source_id = new_id()

        async def work(conn: Connection) -> Balance:
            account = (await lock_channels(conn, [channel_id]))[channel_id]
            return await post(
                conn, account, kind=CreditEntryKind.ADJUST, delta=credits_, source_id=source_id, reason="a test"
            )

        return await self.postgres.transact(work)

    async def session(self, user_id: UUID | None = None) -> UUID:
        """A session that has ended and that nobody has a token of."""
        session_id = new_id()
        await self.postgres.pool.execute(
            "INSERT INTO session (id, user_id, expires_at) VALUES ($1, $2, 'infinity')", session_id, user_id
        )
        return session_id

    async def user(self) -> UUID:
        user_id = new_id()
        await self.postgres.pool.execute('INSERT INTO "user" (id) VALUES ($1)', user_id)
        return user_id

    async def contribution(
        self, channel_id: UUID, type_: TransactionType, amount_cents: int, *, session_id: UUID | None = None
    ) -> NewContribution:
        """A contribution that is not paid yet."""
        new = NewContribution(
            id=new_id(),
            channel_id=channel_id,
            session_id=session_id or await self.session(),
            type=type_,
            amount_cents=amount_cents,
            credits_per_dollar=10,
            provider="sandbox",
        )
        await self.postgres.transact(lambda conn: begin(conn, new))
        return new

    async def give(self, channel_id: UUID, type_: TransactionType, amount_cents: int) -> Settlement:
        """A contribution that is settled."""
        new = await self.contribution(channel_id, type_, amount_cents)
        settlement = await self.settle(new.id)
        assert settlement is not None
        return settlement

    async def settle(self, contribution_id: UUID) -> Settlement | None:
        return await self.postgres.transact(lambda conn: settle(conn, contribution_id))

    async def chats(self, channel_id: UUID, count: int = 1, *, session_id: UUID | None = None) -> list[UUID]:
        """Chats that were opened and have no message."""
        session_id = session_id or await self.session()
        context_id, ids = new_id(), [new_id() for _ in range(count)]
        async with self.postgres.pool.acquire() as conn, conn.transaction():
            await conn.execute(
                "INSERT INTO channel_context (id, channel_id, persona, knowledge, tokens, sha256)"
                " VALUES ($1, $2, '', '', 0, $3)",
                context_id,
                channel_id,
                hashlib.sha256(context_id.bytes).digest(),
            )
            await conn.executemany(
                "INSERT INTO chat (id, session_id, channel_id, tokens_used, context_id, context_tokens, open_idem,"
                " owner_node) VALUES ($1, $2, $3, 0, $4, 0, $5, $6)",
                [(chat_id, session_id, channel_id, context_id, str(chat_id), NODE) for chat_id in ids],
            )
        return ids

    async def charged_chat(self, channel_id: UUID) -> UUID:
        """A chat that waits for its first token."""
        (chat_id,) = await self.chats(channel_id)
        assert await self.start(channel_id, [chat_id]) == {chat_id}
        return chat_id

    async def start(self, channel_id: UUID, chat_ids: Sequence[UUID]) -> set[UUID]:
        """A group commit of first messages; returns the chats that were charged."""
        return await self.postgres.transact(lambda conn: start_chats(conn, channel_id, chat_ids))

    async def spend(self, chat_id: UUID, epoch: int = 1) -> bool:
        spent = await self.postgres.transact(lambda conn: charging.spend(conn, [(chat_id, epoch)]))
        return chat_id in spent

    async def refund(self, chat_id: UUID, epoch: int = 1) -> Balance | None:
        return await self.postgres.transact(lambda conn: refund_chat(conn, chat_id, epoch))

    async def balance(self, channel_id: UUID) -> Balance:
        """What Postgres says now."""
        row = await self.postgres.pool.fetchrow(
            "SELECT credit_balance, ledger_version FROM channel WHERE id = $1", channel_id
        )
        assert row is not None
        return Balance(channel_id, row["credit_balance"], row["ledger_version"])

    async def credit_state(self, chat_id: UUID) -> str:
        return str(await self.postgres.pool.fetchval("SELECT credit_state FROM chat WHERE id = $1", chat_id))

    async def entries(self, channel_id: UUID) -> list[tuple[int, str, int, int]]:
        """The ledger of a channel: (number, kind, delta, balance after)."""
        rows = await self.postgres.pool.fetch(
            "SELECT channel_seq, kind, delta, balance_after FROM credit_entry WHERE channel_id = $1 ORDER BY 1",
            channel_id,
        )
        return [tuple(row) for row in rows]

    async def assert_clean(self) -> None:
        assert (await check(self.postgres)).findings == ()


async def start_chats(conn: Connection, channel_id: UUID, chat_ids: Sequence[UUID]) -> set[UUID]:
    """Charge those of the chats that are not charged, in the order given, for as long as there are credits.

    The order of locks is the program's: the channel, then the chats by id.
    """
    accounts = await lock_channels(conn, [channel_id])
    rows = await conn.fetch("SELECT id, credit_state FROM chat WHERE id = ANY($1) ORDER BY id FOR UPDATE", chat_ids)
    uncharged = {row["id"] for row in rows if row["credit_state"] == "NONE"}
    admitted = [chat_id for chat_id in chat_ids if chat_id in uncharged][: accounts[channel_id].balance]
    if admitted:
        await charging.charge(conn, accounts, [(channel_id, chat_id) for chat_id in admitted])
    return set(admitted)


async def refund_chat(conn: Connection, chat_id: UUID, epoch: int = 1) -> Balance | None:
    """Give the credit of a chat back, as the end of its answer does: the channel is locked first."""
    channel_id = await conn.fetchval("SELECT channel_id FROM chat WHERE id = $1", chat_id)
    account = (await lock_channels(conn, [channel_id]))[channel_id]
    return await charging.refund(conn, account, chat_id, epoch)
