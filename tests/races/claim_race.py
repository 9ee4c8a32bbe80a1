"""A visitor who signs in while everything that can name their session is being written."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from server.channels.catalog import Catalog
from server.channels.knowledge import Knowledge
from server.chats.commits import GroupCommit
from server.chats.live_chats import LiveChats
from server.chats.opening import Opening
from server.chats.starts import Start, VisitorClaim
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.settings import Settings
from server.domain.transactions import TransactionType
from server.ledger.audit import Finding, check
from server.ledger.claims import claim
from server.ledger.contributions import NewContribution, begin, settle
from server.llm.tokens import count_off_loop
from server.storage.ids import new_id
from server.storage.outages import is_outage
from server.storage.patient_connection import PatientConnection
from server.storage.pool import ConnectionPool
from server.storage.postgres import Postgres, PostgresLimits, make_engine
from server.storage.settings import LiveSettings
from server.ws.encoding import encode_event
from tests.ledger.books import Books

CONNECTIONS = 10
TRIES = 5


class WithoutShareLock(PatientConnection):
    """A connection on which no session is locked FOR SHARE: the program, without the guard that the claim relies on."""

    async def fetchrow(self, query: str, *args: object, **kwargs: Any) -> Any:
        return await super().fetchrow(_unlocked(query), *args, **kwargs)

    async def fetchval(self, query: str, *args: object, **kwargs: Any) -> Any:
        return await super().fetchval(_unlocked(query), *args, **kwargs)


async def _insist(work: Callable[[], Awaitable[object]]) -> None:
    """Do it, and again when a busy machine was too slow for the server's patience; all of it may be repeated."""
    for attempt in range(TRIES):
        try:
            await work()
        except Exception as error:
            is_slow = (isinstance(error, Refusal) and error.code is Code.UNAVAILABLE) or is_outage(error)
            if not is_slow or attempt == TRIES - 1:
                raise
        else:
            return


def _unlocked(query: str) -> str:
    return re.sub(r"\bFOR SHARE\b", "", query) if re.search(r"\bFROM session\b", query) else query


@asynccontextmanager
async def postgres_without_share_lock(url: str) -> AsyncIterator[Postgres]:
    """The database through such connections."""
    async with asyncpg.create_pool(url, connection_class=WithoutShareLock, min_size=1, max_size=CONNECTIONS) as pool:
        engine = make_engine(url, connections=1, server_settings={})
        lent = ConnectionPool(pool, wait_seconds=3.0, waiters_max=1_000)
        yield Postgres(url, PostgresLimits(pool_connections=CONNECTIONS), lent, engine)
        await engine.dispose()


@dataclass
class ClaimRace:
    """Rounds on one channel, each with a session, a user and a chat of its own.

    Attributes:
        books: what each round begins with, and the claims.
        inserts: the database as those see it who name the session.
    """

    books: Books
    inserts: Postgres
    commits: GroupCommit
    opening: Opening
    channel_id: UUID

    @classmethod
    @asynccontextmanager
    async def prepared(cls, books: Books, inserts: Postgres, rounds: int) -> AsyncIterator["ClaimRace"]:
        """Make the channel, with credits for that many chats, and run the writer."""
        channel_id = await books.channel(rounds)
        node_id = new_id()
        commits = GroupCommit(inserts, node_id)
        opening = Opening(
            postgres=inserts,
            live_chats=LiveChats(inserts, encode_event),
            catalog=Catalog(inserts),
            knowledge=Knowledge(inserts, count_off_loop, 100),
            settings=LiveSettings(inserts, Settings()),
            node_id=node_id,
        )
        running = asyncio.create_task(commits.run())
        yield cls(books, inserts, commits, opening, channel_id)
        running.cancel()
        await asyncio.wait([running])

    async def rounds(self, count: int) -> None:
        """So many visitors, each of whom settles, begins, opens and sends, all at once with their own claim."""
        await asyncio.gather(*(self._round() for _ in range(count)))

    async def _round(self) -> None:
        session_id, user_id = await self.books.session(), await self.books.user()
        purchase = TransactionType.CREDIT_PURCHASE
        paid = await self.books.contribution(self.channel_id, purchase, 100, session_id=session_id)
        (chat_id,) = await self.books.chats(self.channel_id, session_id=session_id)
        await self.books.postgres.pool.execute(
            "INSERT INTO chat_member (chat_id, ref, session_id) VALUES ($1, 1, $2)", chat_id, session_id
        )
        new = NewContribution(new_id(), self.channel_id, session_id, purchase, 100, 10, "sandbox")
        identity, idem, start = Identity(session_id=session_id), str(new_id()), self._start(chat_id, session_id)
        await asyncio.gather(
            _insist(lambda: self.inserts.transact(lambda conn: settle(conn, paid.id))),
            _insist(lambda: self.inserts.transact(lambda conn: begin(conn, new))),
            _insist(lambda: self.opening.open(identity, idem, str(self.channel_id))),
            _insist(lambda: self.commits.start(start, may_charge=True)),
            _insist(lambda: self.books.postgres.transact(lambda conn: claim(conn, session_id, user_id))),
        )

    async def orphans(self) -> list[Finding]:
        """Rows of claimed sessions that are nobody's, or another user's; all other rules must hold."""
        findings = (await check(self.books.postgres)).findings
        assert {finding.invariant for finding in findings} <= {"S8"}, findings
        return list(findings)

    def _start(self, chat_id: UUID, session_id: UUID) -> Start:
        visitor = VisitorClaim(session_id, session_id.hex, 10)
        return Start(
            chat_id=chat_id,
            channel_id=self.channel_id,
            epoch=1,
            idem=str(new_id()),
            text="Who wins tonight?",
            prompt_tokens=4,
            title="Who wins tonight?",
            author_ref=1,
            parent_id=None,
            message_id=new_id(),
            answer_id=new_id(),
            model="scripted",
            visitor=visitor,
        )
