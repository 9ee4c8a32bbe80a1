"""`python -m load_tests.claim`: how long a sign-in takes that moves 200 rows, on a Postgres of its own.

Each round makes a visitor with 200 rows (contributions, their transactions, chats and their members) on several
channels, with badges, and measures the one transaction of the claim, its commit included.
"""

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer
import uvloop

from load_tests import machine
from server.domain.transactions import TransactionType
from server.embedded.data_folder import DataFolder
from server.embedded.postgres import EmbeddedPostgres
from server.ledger.claims import claim
from server.ledger.contributions import NewContribution, begin, settle
from server.storage.ids import new_id
from server.storage.migrate import upgrade
from server.storage.postgres import Connection, Postgres

CHANNELS: Final = 10
CONTRIBUTIONS: Final = 50
"""Each is two rows with its transaction."""
CHATS: Final = 50
"""Each is two rows with its member."""
GOAL_MS: Final = 100.0


async def _make_channels(conn: Connection) -> list[UUID]:
    ids = [new_id() for _ in range(CHANNELS)]
    await conn.executemany(
        "INSERT INTO channel (id, name, title, activation_goal_cents, status, activated_at)"
        " VALUES ($1, $2, 'A channel', 1000, 'ACTIVE', clock_timestamp())",
        [(id_, f"channel-{id_}") for id_ in ids],
    )
    await conn.executemany(
        "INSERT INTO channel_context (id, channel_id, persona, knowledge, tokens, sha256)"
        " VALUES ($1, $1, '', '', 0, sha256($2))",
        [(id_, id_.bytes) for id_ in ids],
    )
    return ids


async def _make_visitor(postgres: Postgres, channel_ids: list[UUID]) -> UUID:
    session_id = new_id()
    await postgres.pool.execute("INSERT INTO session (id, expires_at) VALUES ($1, clock_timestamp())", session_id)
    for number in range(CONTRIBUTIONS):
        await postgres.transact(partial(_give, session_id=session_id, channel_id=channel_ids[number % CHANNELS]))
    chats = [(new_id(), session_id, channel_ids[number % CHANNELS]) for number in range(CHATS)]
    async with postgres.pool.acquire() as conn, conn.transaction():
        await conn.executemany(
            "INSERT INTO chat (id, session_id, channel_id, tokens_used, context_id, context_tokens, open_idem)"
            " VALUES ($1::uuid, $2, $3, 0, $3, 0, ($1::uuid)::text)",
            chats,
        )
        await conn.executemany(
            "INSERT INTO chat_member (chat_id, ref, session_id) VALUES ($1, 1, $2)", [chat[:2] for chat in chats]
        )
    return session_id


async def _give(conn: Connection, session_id: UUID, channel_id: UUID) -> None:
    new = NewContribution(new_id(), channel_id, session_id, TransactionType.CREDIT_PURCHASE, 100, 10, "sandbox")
    await begin(conn, new)
    await settle(conn, new.id)


async def _measure(url: str, rounds: int) -> list[float]:
    """The time of each claim, in milliseconds."""
    postgres = await Postgres.open(url)
    async with postgres.pool.acquire() as conn, conn.transaction():
        channel_ids = await _make_channels(conn)
    took_ms = []
    for _ in range(rounds):
        session_id, user_id = await _make_visitor(postgres, channel_ids), new_id()
        await postgres.pool.execute('INSERT INTO "user" (id) VALUES ($1)', user_id)
        begun = time.perf_counter()
        moved = await postgres.transact(partial(claim, session_id=session_id, user_id=user_id))
        took_ms.append(1_000 * (time.perf_counter() - begun))
        assert (moved.contributions, moved.transactions, moved.chats) == (CONTRIBUTIONS, CONTRIBUTIONS, CHATS), moved
    await postgres.close()
    return took_ms


def main(rounds: Annotated[int, typer.Option(min=5, max=1_000, help="Claims to measure.")] = 50) -> None:
    """Measure, and exit with 1 when the median passes the goal."""
    with tempfile.TemporaryDirectory(prefix="tallylight-claim-") as place:
        folder = DataFolder(Path(place) / "data")
        folder.lock()
        server = EmbeddedPostgres(folder)
        server.start()
        try:
            upgrade(server.url)
            took_ms = uvloop.run(_measure(server.url, rounds))
        finally:
            server.stop()
            folder.release()
    p50_ms, p95_ms = statistics.median(took_ms), statistics.quantiles(took_ms, n=20)[-1]
    for name, value in machine.describe().items():
        typer.echo(f"{name}: {value}")
    rows = 2 * (CONTRIBUTIONS + CHATS)
    typer.echo(
        f"claim of {rows} rows on {CHANNELS} channels, {rounds} rounds: p50 {p50_ms:.1f} ms, p95 {p95_ms:.1f} ms"
    )
    raise typer.Exit(int(p50_ms > GOAL_MS))


if __name__ == "__main__":
    typer.run(main)
