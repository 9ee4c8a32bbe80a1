"""Years of transactions, made by PostgreSQL itself: every row fits every other, so the check of the ledger is clean.

Givers and channels are skewed as they are in life: the first channel has a fixed part of all, the others ever less, and
so have givers; every other giver is a visitor. Seven of ten amounts are presets, most others whole dollars, one of
twenty is odd to the cent. One of a hundred purchases is taken back.

What is not as in life: nobody chats, so credits are never used, and a contribution is always one transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import asyncpg

DAYS: Final = 1_096
"""Three years, the last of which ends with today."""
ACTIVATIONS: Final = 5
"""The first transactions of a channel are its activation."""
STATEMENT_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class Years:
    """How much there is.

    Attributes:
        transactions: of all channels, reversals not counted.
        of_first: those of the first channel.
        channels: at least 2.
        givers: users and visitors.
    """

    transactions: int
    of_first: int
    channels: int
    givers: int


_PEOPLE: Final = (
    """
    INSERT INTO "user" (id, username)
    SELECT pg_temp.made_id('user', n, n), 'giver-' || n FROM generate_series(0, {givers} - 1, 2) AS n
    """,
    """
    INSERT INTO session (id, user_id, expires_at)
    SELECT pg_temp.made_id('session', n, n),
           CASE WHEN n % 2 = 0 THEN pg_temp.made_id('user', n, n) END, now()
    FROM generate_series(0, {givers} - 1) AS n
    """,
    """
    INSERT INTO channel (id, name, title, status, activated_at, activation_goal_cents)
    SELECT pg_temp.made_id('channel', n, n), 'channel-' || n, 'Channel ' || n, 'ACTIVE', now(), 1
    FROM generate_series(1, {channels}) AS n
    """,
)
"""`made_id` is a UUIDv7 of that millisecond, the same for the same words."""

_MADE: Final = (
    """
    CREATE UNLOGGED TABLE made AS
    SELECT n, pg_temp.made_id('contribution', n, ms) AS contribution_id, pg_temp.made_id('transaction', n, ms) AS id,
           pg_temp.made_id('channel', channel, channel) AS channel_id,
           CASE WHEN giver % 2 = 0 THEN pg_temp.made_id('user', giver, giver) END AS user_id,
           pg_temp.made_id('session', giver, giver) AS session_id, at, ms,
           CASE WHEN place <= {activations} THEN 'ACTIVATION' ELSE 'CREDIT_PURCHASE' END AS type, cents
    FROM (
        SELECT *, row_number() OVER (PARTITION BY channel ORDER BY at) AS place,
               (extract(epoch FROM at) * 1000)::bigint AS ms
        FROM (
            SELECT n,
                   CASE WHEN n <= {of_first} THEN 1 ELSE 2 + floor(({channels} - 1) * pg_temp.chance(n, 1) ^ 3)::int END
                       AS channel,
                   floor({givers} * pg_temp.chance(n, 2) ^ 2)::int AS giver,
                   date_trunc('day', now(), 'UTC') - interval '{days} days' + interval '{days} days' *
                       CASE WHEN n <= {of_first} THEN n::float / {of_first}
                            ELSE (n - {of_first})::float / ({transactions} - {of_first}) END AS at,
                   CASE WHEN pg_temp.chance(n, 3) < 0.7
                        THEN (ARRAY[100, 200, 500, 500, 500, 1000, 2000])[1 + floor(7 * pg_temp.chance(n, 4))::int]
                        WHEN pg_temp.chance(n, 3) < 0.95 THEN 100 * (1 + floor(500 * pg_temp.chance(n, 4) ^ 3)::int)
                        ELSE 10 + floor(100000 * pg_temp.chance(n, 4) ^ 3)::int END AS cents
            FROM generate_series(1, {transactions}) AS n
        ) AS chosen
    ) AS placed
    """,
    "ANALYZE made",
    """
    CREATE UNLOGGED TABLE written AS
    SELECT *, row_number() OVER (PARTITION BY channel_id ORDER BY at, id) AS place FROM (
        SELECT id, contribution_id, channel_id, user_id, session_id, at, type, cents, NULL::uuid AS reverses_id,
               CASE WHEN type = 'ACTIVATION' THEN 0 ELSE cents / 10 END AS credits, 'SETTLED' AS status, n
        FROM made
        UNION ALL
        SELECT pg_temp.made_id('reversal', n, ms), contribution_id, channel_id, user_id, session_id,
               at + interval '1 hour', type, -cents, id, -(cents / 10), 'REVERSAL', n
        FROM made WHERE n % 100 = 7 AND type = 'CREDIT_PURCHASE'
    ) AS rows
    """,
    "ANALYZE written",
)
"""`chance` is a number from 0 to 1 that belongs to (n, which)."""

_BOOKS: Final = (
    """
    INSERT INTO contribution (id, channel_id, session_id, user_id, type, amount_cents, credits_per_dollar, status,
                              provider, provider_reference, display_name, created_at, updated_at, settled_at)
    SELECT contribution_id, channel_id, session_id, user_id, type, cents, 10,
           CASE WHEN n % 100 = 7 AND type = 'CREDIT_PURCHASE' THEN 'REVERSED' ELSE 'SETTLED' END, 'sandbox',
           'load-' || n, CASE WHEN n % 3 = 0 THEN 'Fan ' || n % 1000 END, at, at, at
    FROM made ORDER BY at
    """,
    """
    INSERT INTO "transaction" (id, channel_id, user_id, session_id, amount_cents, type, status, description, credits,
                               credits_per_dollar, contribution_id, provider, provider_reference, reverses_id,
                               created_at)
    SELECT id, channel_id, user_id, session_id, cents, type, status, 'Made for a load test', credits, 10,
           contribution_id, 'sandbox', CASE WHEN reverses_id IS NULL THEN 'load-' || n ELSE 'refund-' || n END,
           reverses_id, at
    FROM written ORDER BY at
    """,
    """
    INSERT INTO credit_entry (channel_id, channel_seq, kind, delta, balance_after, source_id, reason, created_at)
    SELECT channel_id, row_number() OVER so_far, CASE WHEN credits > 0 THEN 'PURCHASE' ELSE 'ADJUST' END, credits,
           sum(credits) OVER so_far, id, CASE WHEN credits < 0 THEN 'reversed' END, at
    FROM written WHERE credits <> 0 WINDOW so_far AS (PARTITION BY channel_id ORDER BY place)
    """,
    """
    UPDATE channel
    SET activation_goal_cents = given.cents, activation_funding_cents = given.cents
    FROM (SELECT channel_id, sum(cents) AS cents FROM made WHERE type = 'ACTIVATION' GROUP BY 1) AS given
    WHERE given.channel_id = channel.id
    """,
    """
    UPDATE channel
    SET credit_balance = newest.balance_after, ledger_version = newest.channel_seq
    FROM (
        SELECT DISTINCT ON (channel_id) channel_id, channel_seq, balance_after FROM credit_entry
        ORDER BY channel_id, channel_seq DESC
    ) AS newest
    WHERE newest.channel_id = channel.id
    """,
    "DROP TABLE made, written",
)

_FUNCTIONS: Final = (
    """
    CREATE FUNCTION pg_temp.made_id(kind text, n bigint, ms bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
        SELECT (lpad(to_hex(ms), 12, '0') || '7' || substr(md5(kind || n::text), 1, 3)
                || '8' || substr(md5(kind || n::text), 4, 15))::uuid
    $$
    """,
    """
    CREATE FUNCTION pg_temp.chance(n bigint, which int) RETURNS float LANGUAGE sql IMMUTABLE AS $$
        SELECT (hashint8extended(n, which) & 9007199254740991) / 9007199254740992.0::float
    $$
    """,
)


async def make_years(url: str, years: Years, told: Callable[[str], None]) -> None:
    """Fill an empty, migrated database; a few minutes for millions.

    Args:
        url: of a superuser's connection: the checks of references are off meanwhile.
        told: called with what is being done.
    """
    conn = await asyncpg.connect(url, command_timeout=STATEMENT_SECONDS)
    try:
        await conn.execute("SET session_replication_role = replica; SET maintenance_work_mem = '1GB'")
        await conn.execute("SET work_mem = '512MB'; SET max_parallel_maintenance_workers = 2; SET jit = off")
        # The running totals are made by what makes them in life.
        for trigger in ("transaction_totalled", "transaction_contributed"):
            await conn.execute(f'ALTER TABLE "transaction" ENABLE ALWAYS TRIGGER {trigger}')
        indexes = await _drop_indexes(conn)
        figures = {name: getattr(years, name) for name in Years.__slots__} | {"days": DAYS, "activations": ACTIVATIONS}
        for statement in (*_FUNCTIONS, *_PEOPLE, *_MADE, *_BOOKS):
            told(" ".join(statement.split())[:70])
            await conn.execute(statement.format(**figures) if "{" in statement else statement)
        for definition in indexes:
            told(definition[:70])
            await conn.execute(definition)
        for trigger in ("transaction_totalled", "transaction_contributed"):
            await conn.execute(f'ALTER TABLE "transaction" ENABLE TRIGGER {trigger}')
        told("VACUUM ANALYZE")
        await conn.execute("VACUUM ANALYZE")
        await conn.execute("CHECKPOINT")
    finally:
        await conn.close()


async def _drop_indexes(conn: "asyncpg.Connection[asyncpg.Record]") -> list[str]:
    """Drop the indexes of the large tables that are no constraints; returns what makes them again."""
    rows = await conn.fetch(
        """
        SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
        WHERE c.relname IN ('transaction', 'contribution', 'credit_entry') AND c.relnamespace = 'public'::regnamespace
              AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)
        ORDER BY 1
        """
    )
    for row in rows:
        await conn.execute(f"DROP INDEX {row['name']}")
    return [row["definition"] for row in rows]
