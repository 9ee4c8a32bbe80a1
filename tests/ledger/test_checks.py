"""The check of the day: one node does it, once, and says in the log what is wrong; the limits of a requested one."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from server.domain.errors import Code, Refusal
from server.ledger.checks import GIVEN_UP_AFTER_SECONDS, LedgerChecks
from server.storage.postgres import Postgres
from server.storage.redis import Redis
from tests.ledger.books import Books
from tests.ledger.test_charging import wait_for_a_lock


@pytest.fixture
def checks(postgres: Postgres, redis: Redis) -> LedgerChecks:
    return LedgerChecks(postgres, redis, daily_hour=0)


async def test_the_day_s_check_is_done_once_and_noted(checks: LedgerChecks, books: Books) -> None:
    await books.channel(credits_=5)
    with capture_logs() as logs:
        report = await checks.check_of_the_day()
    assert report is not None
    assert report.is_clean
    assert [(one["event"], one["log_level"], one["findings"]) for one in logs] == [("ledger_checked", "info", 0)]
    assert await checks.check_of_the_day() is None
    row = await books.postgres.pool.fetchrow("SELECT * FROM ledger_check")
    assert row is not None
    assert (row["finished_at"] is not None, row["findings"]) == (True, 0)


async def test_of_many_nodes_one_does_it(postgres: Postgres, redis: Redis) -> None:
    for _ in range(20):
        nodes = [LedgerChecks(postgres, redis, daily_hour=0) for _ in range(4)]
        reports = await asyncio.gather(*(node.check_of_the_day() for node in nodes))
        assert sum(report is not None for report in reports) == 1
        await postgres.pool.execute("DELETE FROM ledger_check")


async def test_every_row_that_is_wrong_is_an_error_in_the_log(checks: LedgerChecks, books: Books) -> None:
    channel_id = await books.channel()
    books.are_broken = True
    await books.postgres.pool.execute("UPDATE channel SET credit_balance = 7")
    with capture_logs() as logs:
        report = await checks.check_of_the_day()
    assert report is not None
    assert {one["log_level"] for one in logs} == {"error"}
    [finding] = [one for one in logs if one["event"] == "ledger_finding"]
    assert (finding["invariant"], finding["subject"]) == ("S2", f"channel channel-{channel_id}")
    assert await books.postgres.pool.fetchval("SELECT findings FROM ledger_check") == 1


async def test_it_is_not_due_before_its_hour(postgres: Postgres, redis: Redis) -> None:
    # The hour is Postgres's, and may change between the two: then it is due in both.
    later = LedgerChecks(postgres, redis, daily_hour=datetime.now(UTC).hour + 1)
    assert await later.check_of_the_day() is None
    assert await postgres.pool.fetchval("SELECT count(*) FROM ledger_check") == 0


@pytest.mark.parametrize(("age_seconds", "is_begun"), [(-60, False), (60, True)])
async def test_a_check_whose_node_died_is_begun_anew(
    checks: LedgerChecks, postgres: Postgres, age_seconds: float, *, is_begun: bool
) -> None:
    await postgres.pool.execute(
        "INSERT INTO ledger_check (day, started_at)"
        " VALUES ((now() AT TIME ZONE 'UTC')::date, clock_timestamp() - $1::interval)",
        timedelta(seconds=GIVEN_UP_AFTER_SECONDS + age_seconds),
    )
    assert (await checks.check_of_the_day() is not None) == is_begun


async def test_yesterday_s_check_is_not_today_s(checks: LedgerChecks, postgres: Postgres) -> None:
    await checks.check_of_the_day()
    await postgres.pool.execute("UPDATE ledger_check SET day = day - 1")
    assert await checks.check_of_the_day() is not None


async def test_a_requested_check_that_takes_too_long_is_given_up(postgres: Postgres, redis: Redis) -> None:
    checks = LedgerChecks(postgres, redis, requested_seconds_max=0.3)
    async with postgres.pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE credit_entry IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(Refusal) as refused:
            await checks.check()
    assert refused.value.code is Code.UNAVAILABLE
    assert "0.3 s" in refused.value.message
    assert (await checks.check()).is_clean


async def test_a_check_holds_no_connection_of_the_pool(postgres: Postgres, redis: Redis) -> None:
    checks = LedgerChecks(postgres, redis)
    async with postgres.pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE credit_entry IN ACCESS EXCLUSIVE MODE")
        checking = asyncio.create_task(checks.check())
        await wait_for_a_lock(postgres)
        waiting = await postgres.pool.fetch(
            "SELECT application_name FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        )
        assert [row["application_name"] for row in waiting] == ["tallylight ledger check"]
    assert (await checking).is_clean
