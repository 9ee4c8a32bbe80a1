"""Live settings: rows above the environment above defaults, on every node."""

import asyncio
from uuid import uuid4

import pytest

from server.domain.errors import Code, Refusal
from server.domain.settings import Settings
from server.embedded.postgres import EmbeddedPostgres
from server.storage.postgres import Postgres
from server.storage.settings import LiveSettings
from tests.support.waiting import eventually

QUOTA = "chat.visitor_chats_per_day"
FROM_ENVIRONMENT = Settings().with_texts({QUOTA: "7", "credits.per_dollar": "20"})


async def test_rows_stand_above_the_environment_and_it_above_defaults(postgres: Postgres) -> None:
    live = LiveSettings(postgres, FROM_ENVIRONMENT)
    await live.load()
    assert live.current.chat_visitor_chats_per_day == 7
    await live.change(QUOTA, "9", None)
    assert live.current.chat_visitor_chats_per_day == 9
    assert live.current.credits_per_dollar == 20
    assert live.current.chat_answer_tokens == 2_048


async def test_a_change_is_live_on_another_node_within_two_seconds(postgres: Postgres) -> None:
    here, there = LiveSettings(postgres, Settings()), LiveSettings(postgres, Settings())
    following = asyncio.create_task(there.follow())
    await here.change(QUOTA, "0", None)
    await eventually(lambda: there.current.chat_visitor_chats_per_day == 0, deadline_seconds=2.0)
    await here.change(QUOTA, "5", None)
    await eventually(lambda: there.current.chat_visitor_chats_per_day == 5, deadline_seconds=2.0)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_a_row_that_is_gone_gives_the_environment_back(postgres: Postgres) -> None:
    live = LiveSettings(postgres, FROM_ENVIRONMENT)
    await live.change(QUOTA, "9", None)
    await postgres.pool.execute("DELETE FROM configuration_setting")
    await live.load()
    assert live.current == FROM_ENVIRONMENT


async def test_a_change_is_kept_with_who_and_when(postgres: Postgres) -> None:
    admin = uuid4()
    await postgres.pool.execute("""INSERT INTO "user" (id, role) VALUES ($1, 'ADMIN')""", admin)
    live = LiveSettings(postgres, Settings())
    await live.change(QUOTA, "4", None)
    before = await postgres.pool.fetchval("SELECT updated_at FROM configuration_setting")
    await live.change(QUOTA, " 5 ", admin)
    row = await postgres.pool.fetchrow("SELECT * FROM configuration_setting")
    assert row is not None
    assert (row["key"], row["value"], row["type"], row["updated_by"]) == (QUOTA, "5", "INTEGER", admin)
    assert row["description"]
    assert row["updated_at"] > before


@pytest.mark.parametrize(
    ("key", "text", "code"),
    [(QUOTA, "many", Code.BAD_REQUEST), (QUOTA, "-1", Code.BAD_REQUEST), ("chat.colour", "red", Code.NOT_FOUND)],
)
async def test_a_bad_change_is_refused_and_writes_nothing(postgres: Postgres, key: str, text: str, code: Code) -> None:
    live = LiveSettings(postgres, Settings())
    with pytest.raises(Refusal) as refused:
        await live.change(key, text, None)
    assert refused.value.code is code
    assert await postgres.pool.fetchval("SELECT count(*) FROM configuration_setting") == 0
    assert live.current == Settings()


async def test_a_bad_row_is_passed_over(postgres: Postgres) -> None:
    await postgres.pool.execute(
        "INSERT INTO configuration_setting (key, value, type) VALUES"
        " ('chat.colour', 'red', 'STRING'), ('credits.per_dollar', '0', 'INTEGER'),"
        " ('chat.answer_tokens', '100', 'INTEGER')"
    )
    live = LiveSettings(postgres, FROM_ENVIRONMENT)
    await live.load()
    assert live.current == FROM_ENVIRONMENT.with_texts({"chat.answer_tokens": "100"})


async def test_settings_stay_while_postgres_is_away_and_follow_when_it_is_back(
    disposable_postgres: EmbeddedPostgres,
) -> None:
    postgres = await Postgres.open(disposable_postgres.url)
    live = LiveSettings(postgres, Settings(), poll_seconds=0.05)
    await live.change(QUOTA, "4", None)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(live.follow())
        disposable_postgres.kill()
        await eventually(lambda: live._is_stale)
        assert live.current.chat_visitor_chats_per_day == 4
        disposable_postgres.start()
        other = await Postgres.open(disposable_postgres.url)
        await LiveSettings(other, Settings()).change(QUOTA, "6", None)
        await eventually(lambda: live.current.chat_visitor_chats_per_day == 6)
        following.cancel()
    await other.close()
    await postgres.close()
