"""Chats that start on one hot channel, as fast as the group commit takes them: charge, both messages, first token.

The gateway's own writer runs in this process, without sockets and without a model. Beside it, in the same turns, runs a
function of PL/pgSQL that makes the same rows in one call, with as many starts, or first tokens, a call as the group
commit had in a transaction: the least that Postgres needs for it.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from load_tests.figures import Delays
from load_tests.stage import CHANNEL, Stage
from server.chats.admission import Admitted
from server.chats.commits import GroupCommit
from server.chats.starts import Start, VisitorClaim
from server.storage.ids import new_id
from server.storage.postgres import Connection, Postgres

CLIENTS: Final = 256
"""Fans who start one chat after the other."""
SEEDED_AT_ONCE: Final = 5_000
TEXT: Final = "Who is Dr Button, and what did she find in the deep?"
VISITOR_CHATS_MAX: Final = 1_000_000

_SEED: Final = """
    WITH one AS (
        SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS one (chat_id, session_id)
    ), sessions AS (
        INSERT INTO session (id, expires_at) SELECT session_id, now() + interval '1 day' FROM one
    ), chats AS (
        INSERT INTO chat (id, session_id, channel_id, tokens_used, context_id, context_tokens, open_idem)
        SELECT chat_id, session_id, $3, 4, $4, 4, chat_id::text FROM one
    )
    INSERT INTO chat_member (chat_id, ref, session_id) SELECT chat_id, 1, session_id FROM one
"""

_BARE: Final = """
    CREATE OR REPLACE FUNCTION bare_starts(hot uuid, starting uuid[], asked uuid[], answered uuid[], speaking uuid[],
                                           node uuid, said text) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        had channel%ROWTYPE;
    BEGIN
        SELECT * INTO had FROM channel WHERE id = hot FOR NO KEY UPDATE;
        PERFORM 1 FROM chat WHERE id = ANY(starting) ORDER BY id FOR UPDATE;
        UPDATE chat SET state = 'ANSWERING', credit_state = 'CHARGED', charged_at = clock_timestamp(),
               tokens_used = tokens_used + 12, last_message_at = now(), owner_node = node, title = said
         WHERE id = ANY(starting) AND credit_state = 'NONE' AND state = 'OPEN';
        INSERT INTO credit_entry (channel_id, channel_seq, kind, delta, balance_after, chat_id)
        SELECT hot, had.ledger_version + place, 'CHAT', -1, had.credit_balance - place, one
          FROM unnest(starting) WITH ORDINALITY AS start (one, place);
        UPDATE channel SET credit_balance = credit_balance - cardinality(starting),
               ledger_version = ledger_version + cardinality(starting) WHERE id = hot;
        INSERT INTO message (id, chat_id, seq, type, content, tokens, status, author, idem, created_at)
        SELECT question, one, 1, 'USER', said, 12, 'DONE', 1, question::text, now()
          FROM unnest(starting, asked) AS start (one, question);
        INSERT INTO message (id, chat_id, seq, type, content, tokens, status, parent_id, model, created_at)
        SELECT answer, one, 2, 'AI', '', 0, 'STREAMING', question, 'scripted', now()
          FROM unnest(starting, asked, answered) AS start (one, question, answer);
        UPDATE chat SET credit_state = 'SPENT', first_token_at = clock_timestamp()
         WHERE id = ANY(speaking) AND credit_state = 'CHARGED';
        RETURN had.credit_balance;
    END $$
"""


Fan = Callable[[GroupCommit, list[int]], Coroutine[None, None, None]]
"""Starts chats and notes what each took, in microseconds."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What one writer reached.

    Attributes:
        per_second: chats that started, each with its first token marked.
        batch: starts in a transaction, on average.
        cpu_us: CPU microseconds of this process for each.
        delays: from a start to its durable decision.
    """

    per_second: float
    batch: float
    cpu_us: float
    delays: Delays


@dataclass(frozen=True, slots=True)
class Hall:
    """Chats that were opened and have no message, on one channel."""

    postgres: Postgres
    channel_id: UUID
    chats: deque[tuple[UUID, UUID]]
    node_id: UUID

    def starts(self, count: int, *, of_visitors: bool = False) -> Iterator[Start]:
        """The first messages of so many of them, each of another session.

        Args:
            of_visitors: whether each counts toward the quota of its session and of an address of its own.
        """
        for _ in range(min(count, len(self.chats))):
            chat_id, session_id = self.chats.popleft()
            visitor = VisitorClaim(session_id, str(session_id), VISITOR_CHATS_MAX) if of_visitors else None
            yield Start(
                chat_id=chat_id,
                channel_id=self.channel_id,
                epoch=1,
                idem=f"start-{chat_id}",
                text=TEXT,
                prompt_tokens=12,
                title=TEXT,
                author_ref=1,
                parent_id=None,
                message_id=new_id(),
                answer_id=new_id(),
                model="scripted",
                visitor=visitor,
            )


@contextlib.asynccontextmanager
async def open_hall(stage: Stage, count: int) -> AsyncIterator[Hall]:
    """Open so many chats, each of a session of its own."""
    postgres = await Postgres.open(stage.postgres_url)
    try:
        channel_id = await postgres.pool.fetchval("SELECT id FROM channel WHERE name = $1", CHANNEL)
        context_id = new_id()
        await postgres.pool.execute(
            "INSERT INTO channel_context (id, channel_id, persona, knowledge, tokens, sha256)"
            " VALUES ($1, $2, 'persona', 'knowledge', 4, sha256($3))",
            context_id,
            channel_id,
            context_id.bytes,
        )
        chats = [(new_id(), new_id()) for _ in range(count)]
        for at in range(0, count, SEEDED_AT_ONCE):
            some = chats[at : at + SEEDED_AT_ONCE]
            await postgres.pool.execute(
                _SEED, [one for one, _ in some], [one for _, one in some], channel_id, context_id
            )
        await postgres.pool.execute(_BARE)
        await postgres.pool.execute("VACUUM (ANALYZE) chat, session, chat_member")
        yield Hall(postgres, channel_id, deque(chats), new_id())
    finally:
        await postgres.close()


async def crowded(hall: Hall, count: int, *, of_visitors: bool) -> Rate:
    """Start so many chats with the group commit; each of `CLIENTS` fans starts the next one when theirs has begun."""
    starts = hall.starts(count, of_visitors=of_visitors)

    async def fan(commits: GroupCommit, delays_us: list[int]) -> None:
        while (start := next(starts, None)) is not None:
            delays_us.append(await _begin(commits, start))

    return await _measured(hall, [fan] * CLIENTS)


async def spread(hall: Hall, count: int, per_second: float) -> Rate:
    """Start so many chats evenly, whatever became of those before."""

    async def fan(commits: GroupCommit, delays_us: list[int], start: Start, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        delays_us.append(await _begin(commits, start))

    starts = enumerate(hall.starts(count, of_visitors=True))
    return await _measured(hall, [partial(fan, start=start, after_seconds=n / per_second) for n, start in starts])


async def _measured(hall: Hall, fans: Sequence[Fan]) -> Rate:
    commits, delays_us = GroupCommit(hall.postgres, hall.node_id), list[int]()
    async with _writer(commits):
        before = await _transactions(hall.postgres)
        began, cpu = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for fan in fans:
                tasks.create_task(fan(commits, delays_us))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        transactions = await _transactions(hall.postgres) - before
    made = len(delays_us)
    return Rate(made / seconds, made / max(1, transactions), cpu / made * 1_000_000, Delays.of_us(delays_us))


async def bare(hall: Hall, count: int, batch: int) -> Rate:
    """Make the same rows with the function, `batch` starts a call, then their first tokens in another one: in a crowd
    the group commit's transactions are of one kind, too, as what waits is taken in its order."""
    connection, delays_us = await hall.postgres.connect_writer(), list[int]()
    began, cpu = time.perf_counter(), time.process_time()
    made = 0
    try:
        while made < count and (starts := list(hall.starts(min(batch, count - made)))):
            at = time.perf_counter()
            await _call(connection, hall, starts, [])
            delays_us += [round((time.perf_counter() - at) * 1_000_000)] * len(starts)
            await _call(connection, hall, [], [start.chat_id for start in starts])
            made += len(starts)
    finally:
        await connection.close()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Rate(made / seconds, batch, cpu / made * 1_000_000, Delays.of_us(delays_us))


async def _call(connection: Connection, hall: Hall, starts: Sequence[Start], speaking: Sequence[UUID]) -> None:
    await connection.fetchval(
        "SELECT bare_starts($1, $2, $3, $4, $5, $6, $7)",
        hall.channel_id,
        sorted(start.chat_id for start in starts),
        [start.message_id for start in starts],
        [start.answer_id for start in starts],
        speaking,
        hall.node_id,
        TEXT,
    )


async def _begin(commits: GroupCommit, start: Start) -> int:
    """Start one chat and mark its first token; returns what the start took, in microseconds."""
    at = time.perf_counter()
    started = await commits.start(start, may_charge=True)
    took_us = round((time.perf_counter() - at) * 1_000_000)
    if not isinstance(started.decision, Admitted):
        raise TypeError(f"A start was not admitted: {started.decision}")
    if not await commits.spend(start.chat_id, start.epoch):
        raise ValueError("A first token was not marked.")
    return took_us


@contextlib.asynccontextmanager
async def _writer(commits: GroupCommit) -> AsyncIterator[None]:
    running = asyncio.ensure_future(commits.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _transactions(postgres: Postgres) -> int:
    """How many have stored messages so far: what one of them stores has one time."""
    return int(await postgres.pool.fetchval("SELECT count(DISTINCT created_at) FROM message WHERE type = 'USER'"))
