"""The check of the ledger: every invariant derived anew from the rows, on a live server, without stopping anybody."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis as Client

from server.ledger.invariants import INVARIANTS
from server.storage.postgres import Postgres
from server.storage.redis import Redis, RedisUnavailable, balance_key

CHECK_SECONDS_MAX: Final = 3_600.0
"""How long a check takes at most, unless its caller gives it less; a ledger of some millions of rows takes a minute."""
FINDINGS_MAX: Final = 1_000
"""Rows that each query names; the report says when there are more."""
COPIES_AT_ONCE_MAX: Final = 500
"""Balances in one round trip to Redis."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that breaks an invariant."""

    invariant: str
    subject: str
    problem: str


@dataclass(frozen=True, slots=True)
class Report:
    """What the check found.

    Attributes:
        channels, entries, chats, contributions: how many rows were looked at.
        findings: what is wrong in Postgres; empty means that S1–S4, S7 and S8 hold.
        is_cut: whether there is more than the findings say.
        differences: where the copy in Redis differs (L1); it heals by itself and is no fault. None: Redis was not
            asked, or did not answer.
    """

    channels: int
    entries: int
    chats: int
    contributions: int
    findings: tuple[Finding, ...]
    is_cut: bool
    differences: tuple[Finding, ...] | None

    @property
    def is_clean(self) -> bool:
        """Whether the ledger is right."""
        return not self.findings


async def check(postgres: Postgres, redis: Redis | None = None, *, seconds_max: float = CHECK_SECONDS_MAX) -> Report:
    """Check the whole ledger in one snapshot, on a connection of its own.

    Args:
        postgres: only read from.
        redis: None leaves its copies out.
        seconds_max: for all of it.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: the check did not come to its end.
    """
    findings: list[Finding] = []
    is_cut = False
    async with (
        asyncio.timeout(seconds_max),
        postgres.connected("tallylight ledger check") as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        await conn.execute(f"SET LOCAL statement_timeout = {math.ceil(seconds_max * 1_000)}")
        counts = await conn.fetchrow(
            """
            SELECT (SELECT count(*) FROM channel) AS channels, (SELECT count(*) FROM credit_entry) AS entries,
                   (SELECT count(*) FROM chat) AS chats, (SELECT count(*) FROM contribution) AS contributions
            """,
            timeout=seconds_max,
        )
        for invariant in INVARIANTS:
            rows = await conn.fetch(f"{invariant.query} ORDER BY 1, 2 LIMIT {FINDINGS_MAX + 1}", timeout=seconds_max)
            is_cut = is_cut or len(rows) > FINDINGS_MAX
            findings += [Finding(invariant.name, row["subject"], row["problem"]) for row in rows[:FINDINGS_MAX]]
    assert counts is not None
    differences = None if redis is None else await _compare(postgres, redis)
    return Report(**dict(counts), findings=tuple(findings), is_cut=is_cut, differences=differences)


async def _compare(postgres: Postgres, redis: Redis) -> tuple[Finding, ...] | None:
    """Compare what Redis holds, channel by channel; a balance that it does not hold is no difference."""
    ids = [row["id"] for row in await postgres.pool.fetch("SELECT id FROM channel ORDER BY id")]
    differences: list[Finding] = []
    for at in range(0, len(ids), COPIES_AT_ONCE_MAX):
        some = ids[at : at + COPIES_AT_ONCE_MAX]
        try:
            copies = dict(zip(some, await redis.run(partial(_read_copies, ids=some)), strict=True))
        except RedisUnavailable:
            return None
        rows = await postgres.pool.fetch(
            "SELECT id, name, credit_balance, ledger_version FROM channel WHERE id = ANY($1) ORDER BY name", some
        )
        for row in rows:
            copy, truth = copies[row["id"]], (row["credit_balance"], row["ledger_version"])
            if copy not in ([None, None], [str(fact).encode() for fact in truth]):
                problem = f"Redis has {copy}, Postgres {truth[0]} at version {truth[1]}"
                differences.append(Finding("L1", f"channel {row['name']}", problem))
    return tuple(differences)


async def _read_copies(client: Client, ids: Sequence[UUID]) -> list[Any]:
    """For each channel: balance and version as Redis has them, or the error that it has something else there."""
    pipeline = client.pipeline(transaction=False)
    for channel_id in ids:
        pipeline.hmget(balance_key(channel_id), ["b", "v"])
    return list(await pipeline.execute(raise_on_error=False))
