"""Connections to Postgres: their time limits, and which errors are worth another try."""

import asyncio

import asyncpg
import pytest
from sqlalchemy import select, text

from server.embedded.postgres import EmbeddedPostgres
from server.storage.ids import new_id
from server.storage.postgres import Postgres, PostgresLimits, is_unreachable, may_be_repeated
from server.storage.tables import channels, people

LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


async def test_the_pool_and_the_engine_reach_the_same_database(postgres: Postgres) -> None:
    channel_id = new_id()
    await postgres.pool.execute(
        "INSERT INTO channel (id, name, title, activation_goal_cents) VALUES ($1, 'lab', 'Lab', 1000)", channel_id
    )
    async with postgres.engine.connect() as connection:
        rows = (await connection.execute(select(channels.channel.c.id, channels.channel.c.status))).all()
    assert [tuple(row) for row in rows] == [(channel_id, "PENDING")]


async def test_the_reserved_name_user_is_quoted(postgres: Postgres) -> None:
    async with postgres.engine.begin() as connection:
        await connection.execute(people.user.insert().values(id=new_id(), username="Ada"))
        assert (await connection.execute(select(people.user.c.username))).scalar_one() == "Ada"


async def test_usernames_differ_by_more_than_capitals(postgres: Postgres) -> None:
    insert = """INSERT INTO "user" (id, username) VALUES ($1, $2)"""
    await postgres.pool.execute(insert, new_id(), "Ada")
    with pytest.raises(asyncpg.UniqueViolationError):
        await postgres.pool.execute(insert, new_id(), "ada")


async def test_every_connection_has_its_time_limits(postgres: Postgres) -> None:
    writer = await postgres.connect_writer()
    names = ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout", "synchronous_commit")
    assert [await writer.fetchval(f"SHOW {name}") for name in names] == ["2s", "2s", "5s", "on"]
    await writer.close()
    assert await postgres.pool.fetchval("SHOW statement_timeout") == "5s"
    async with postgres.engine.connect() as connection:
        assert (await connection.execute(text("SHOW lock_timeout"))).scalar_one() == "2s"


async def test_a_writer_that_freezes_in_a_transaction_loses_its_locks(postgres_url: str) -> None:
    postgres = await Postgres.open(postgres_url, PostgresLimits(idle_in_transaction_seconds=0.2))
    frozen, other = await postgres.connect_writer(), await postgres.connect_writer()
    insert = "INSERT INTO node (id, lease_until) VALUES ($1, now())"
    node = new_id()
    await frozen.execute("BEGIN")
    await frozen.execute(insert, node)
    async with asyncio.timeout(1.5):
        await other.execute(insert, node)  # waits for the frozen one to be thrown out
    with pytest.raises(LOST) as lost:
        await frozen.execute("COMMIT")
    assert is_unreachable(lost.value)
    await other.close()
    await postgres.close()


async def test_a_terminated_connection_is_unreachable_and_may_be_repeated(postgres: Postgres) -> None:
    writer = await postgres.connect_writer()
    await postgres.pool.execute("SELECT pg_terminate_backend($1)", writer.get_server_pid())
    with pytest.raises(LOST) as lost:
        await writer.execute("SELECT 1")
    assert is_unreachable(lost.value)
    assert may_be_repeated(lost.value)


async def test_a_server_that_is_gone_is_unreachable(disposable_postgres: EmbeddedPostgres) -> None:
    postgres = await Postgres.open(disposable_postgres.url)
    await postgres.ping()
    disposable_postgres.stop()
    for _ in range(2):  # the connection that was lost, then the one that cannot be made
        with pytest.raises(LOST) as lost:
            await postgres.ping()
        assert is_unreachable(lost.value)
    disposable_postgres.start()
    await postgres.ping()
    await postgres.close()


async def test_a_deadlock_may_be_repeated_and_a_broken_rule_may_not(postgres: Postgres) -> None:
    assert may_be_repeated(asyncpg.DeadlockDetectedError("deadlock"))
    assert may_be_repeated(asyncpg.SerializationError("again"))
    with pytest.raises(asyncpg.PostgresError) as refused:
        await postgres.pool.execute("SELECT 1 / 0")
    assert not may_be_repeated(refused.value)
    assert not is_unreachable(refused.value)
    assert not may_be_repeated(ValueError("ours"))
