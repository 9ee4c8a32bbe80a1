"""What goes by itself, and what stays."""

from server.chats.housekeeping import Housekeeping
from server.storage.postgres import Postgres
from tests.support.rows import Rows


async def test_an_empty_chat_goes_after_a_day_and_one_with_a_message_stays(postgres_url: str) -> None:
    postgres = await Postgres.open(postgres_url)
    try:
        rows = Rows(postgres)
        channel = await rows.active_channel()
        visitor = await rows.session()
        old, written, fresh = [await rows.chat(visitor, channel) for _ in range(3)]
        await rows.turn(written, 1, "A question", "An answer")
        await postgres.pool.execute(
            "UPDATE chat SET created_at = clock_timestamp() - interval '25 hours' WHERE id <> $1", fresh
        )
        assert await Housekeeping(postgres).tidy() == 1
        left = {row["id"] for row in await postgres.pool.fetch("SELECT id FROM chat")}
        assert left == {written, fresh}
        assert old not in left
    finally:
        await postgres.close()


async def test_the_quota_counters_of_today_and_yesterday_stay(postgres_url: str) -> None:
    postgres = await Postgres.open(postgres_url)
    try:
        await postgres.pool.execute(
            "INSERT INTO visitor_quota (day, subject, chats)"
            " SELECT (now() AT TIME ZONE 'UTC')::date - age, 's:' || age, 1 FROM generate_series(0, 3) AS age"
        )
        await Housekeeping(postgres).tidy()
        left = {row["subject"] for row in await postgres.pool.fetch("SELECT subject FROM visitor_quota")}
        assert left == {"s:0", "s:1"}
    finally:
        await postgres.close()
