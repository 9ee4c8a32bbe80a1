"""Rows that a test begins with, written straight into the tables."""

from datetime import timedelta
from typing import ClassVar
from uuid import UUID
from weakref import WeakSet

from server.channels.adding import NewChannel, add_channel
from server.domain.channels import ChannelStatus
from server.domain.identity import Identity
from server.domain.transactions import CreditEntryKind
from server.ledger import charging
from server.ledger.accounts import lock_channels, post
from server.ledger.audit import check
from server.storage.ids import new_id
from server.storage.postgres import Connection, Postgres

_HAS_MONEY = """
    SELECT EXISTS (SELECT FROM contribution) OR EXISTS (SELECT FROM "transaction") OR EXISTS (SELECT FROM credit_entry)
"""


class Rows:
    """Writes rows of one database; every row is as small as the constraints allow."""

    _planted_in: ClassVar[WeakSet[Postgres]] = WeakSet()

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres

    def plant(self) -> None:
        """Say that money or credits were written past the ledger: its check finds them."""
        self._planted_in.add(self.postgres)

    @classmethod
    async def check_ledger(cls, postgres: Postgres) -> None:
        """Fail with the rows that break an invariant, where there is money and nothing was planted."""
        if postgres in cls._planted_in:
            return
        async with postgres.connected("tests") as conn:  # the test may have closed the pool
            has_money = await conn.fetchval(_HAS_MONEY)
        if has_money:
            findings = (await check(postgres)).findings
            assert not findings, findings

    async def channel(self, name: str = "deep-sea-lab", **values: object) -> UUID:
        """A PENDING channel; more values as `NewChannel` has them."""
        title = values.pop("title", name.replace("-", " ").title())
        return await add_channel(self.postgres, NewChannel(name=name, title=title, **values))  # type: ignore[arg-type]

    async def active_channel(self, name: str = "deep-sea-lab", *, credits_: int = 0) -> UUID:
        """A channel on air; its credits stand in no ledger."""
        self.plant()
        channel_id = await self.channel(name)
        await self.postgres.pool.execute(
            "UPDATE channel SET status = 'ACTIVE', activated_at = clock_timestamp(), credit_balance = $2,"
            " activation_funding_cents = activation_goal_cents WHERE id = $1",
            channel_id,
            credits_,
        )
        return channel_id

    async def user(self, username: str) -> UUID:
        """A user with that username and a name that is not shown."""
        user_id = new_id()
        await self.postgres.pool.execute(
            'INSERT INTO "user" (id, name, email, username) VALUES ($1, $2, $3, $4)',
            user_id,
            f"Real name of {username}",
            f"{username}@example.org",
            username,
        )
        return user_id

    async def session(self, *, user_id: UUID | None = None, display_name: str | None = None) -> Identity:
        """A session that nobody holds a token of."""
        session_id = new_id()
        await self.postgres.pool.execute(
            "INSERT INTO session (id, user_id, display_name, expires_at)"
            " VALUES ($1, $2, $3, clock_timestamp() + interval '1 day')",
            session_id,
            user_id,
            display_name,
        )
        return Identity(session_id=session_id, user_id=user_id, name=display_name)

    async def chat(self, owner: Identity, channel_id: UUID, *, title: str = "A question") -> UUID:
        """A chat that was opened and has no message."""
        chat_id, context_id = new_id(), new_id()
        async with self.postgres.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO channel_context (id, channel_id, persona, knowledge, tokens, sha256)"
                " VALUES ($1, $2, 'persona', 'knowledge', 4, sha256($3))",
                context_id,
                channel_id,
                context_id.bytes,
            )
            await connection.execute(
                "INSERT INTO chat (id, user_id, session_id, channel_id, title, tokens_used, context_id,"
                " context_tokens, open_idem) VALUES ($1, $2, $3, $4, $5, 4, $6, 4, $7)",
                chat_id,
                owner.user_id,
                owner.session_id,
                channel_id,
                title,
                context_id,
                str(chat_id),
            )
            await connection.execute(
                "INSERT INTO chat_member (chat_id, ref, user_id, session_id) VALUES ($1, 1, $2, $3)",
                chat_id,
                owner.user_id,
                owner.session_id,
            )
        return chat_id

    async def turn(self, chat_id: UUID, seq: int, question: str, answer: str) -> tuple[UUID, UUID]:
        """A question at `seq` and its answer at `seq + 1`; the first ones cost a credit, which is given for it."""
        asked, answered = new_id(), new_id()
        async with self.postgres.pool.acquire() as connection, connection.transaction():
            await self._pay(connection, chat_id)
            await connection.execute(
                "INSERT INTO message (id, chat_id, seq, type, content, tokens, status, author, idem)"
                " VALUES ($1, $2, $3, 'USER', $4, 3, 'DONE', 1, $5)",
                asked,
                chat_id,
                seq,
                question,
                str(asked),
            )
            await connection.execute(
                "INSERT INTO message (id, chat_id, seq, type, content, tokens, status, parent_id, model)"
                " VALUES ($1, $2, $3, 'AI', $4, 5, 'DONE', $5, 'scripted')",
                answered,
                chat_id,
                seq + 1,
                answer,
                asked,
            )
            await connection.execute(
                "UPDATE chat SET last_message_at = clock_timestamp(), tokens_used = tokens_used + 8 WHERE id = $1",
                chat_id,
            )
        return asked, answered

    async def _pay(self, connection: Connection, chat_id: UUID) -> None:
        chat = await connection.fetchrow("SELECT channel_id, credit_state, epoch FROM chat WHERE id = $1", chat_id)
        assert chat is not None
        channel_id = chat["channel_id"]
        accounts = await lock_channels(connection, [channel_id])
        if accounts[channel_id].status is not ChannelStatus.ACTIVE:
            self.plant()
        elif chat["credit_state"] == "NONE":
            kind = CreditEntryKind.ADJUST
            await post(connection, accounts[channel_id], kind=kind, delta=1, source_id=new_id(), reason="a test")
            accounts = await lock_channels(connection, [channel_id])
            await charging.charge(connection, accounts, [(channel_id, chat_id)])
            await charging.spend(connection, [(chat_id, chat["epoch"])])

    async def transaction(
        self,
        channel_id: UUID,
        giver: Identity,
        *,
        cents: int,
        credits_: int = 0,
        display_name: str | None = None,
    ) -> UUID:
        """A settled contribution and its transaction: activation, or the purchase of credits where some are given. What
        it gave stands on no channel and in no ledger."""
        self.plant()
        contribution_id, transaction_id = new_id(), new_id()
        kind = "CREDIT_PURCHASE" if credits_ else "ACTIVATION"
        async with self.postgres.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO contribution (id, channel_id, session_id, user_id, type, amount_cents,"
                " credits_per_dollar, status, provider, display_name, settled_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, 10, 'SETTLED', 'sandbox', $7, clock_timestamp())",
                contribution_id,
                channel_id,
                giver.session_id,
                giver.user_id,
                kind,
                cents,
                display_name,
            )
            await connection.execute(
                'INSERT INTO "transaction" (id, channel_id, user_id, session_id, amount_cents, type, credits,'
                " credits_per_dollar, contribution_id, provider)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, 10, $8, 'sandbox')",
                transaction_id,
                channel_id,
                giver.user_id,
                giver.session_id,
                cents,
                kind,
                credits_,
                contribution_id,
            )
        return transaction_id

    async def age_sessions(self, age: timedelta) -> None:
        """Make every session look as if it had been used that long ago."""
        await self.postgres.pool.execute(
            "UPDATE session SET created_at = created_at - $1::interval, last_seen_at = last_seen_at - $1::interval,"
            " expires_at = expires_at - $1::interval",
            age,
        )

    async def age_sign_ins(self, age: timedelta) -> None:
        """Make every session look as if its user had signed in that much earlier."""
        await self.postgres.pool.execute("UPDATE session SET signed_in_at = signed_in_at - $1::interval", age)
