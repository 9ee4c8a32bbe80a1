"""A chat is in memory once, however it comes there."""

import asyncio
from uuid import UUID

from server.chats.history import load_chat
from server.chats.live_chats import LiveChats
from server.domain.events import EncodedEvent, Usage
from server.storage.postgres import Postgres
from server.ws.encoding import encode_event
from tests.support.rows import Rows
from tests.support.waiting import eventually


async def waits_for_a_lock(postgres: Postgres) -> bool:
    """Whether a statement of this database waits for somebody else's transaction."""
    return bool(
        await postgres.pool.fetchval(
            "SELECT true FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' LIMIT 1"
        )
    )


async def test_a_chat_that_is_added_while_it_is_read_stays_the_one(postgres_url: str) -> None:
    postgres = await Postgres.open(postgres_url)
    rows = Rows(postgres)
    chat_id: UUID = await rows.chat(await rows.session(), await rows.active_channel())
    loaded = await load_chat(postgres, chat_id, encode_event)
    assert loaded is not None
    live_chats = LiveChats(postgres, encode_event)
    async with asyncio.TaskGroup() as group, postgres.pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("LOCK TABLE message IN ACCESS EXCLUSIVE MODE")
            reading = group.create_task(live_chats.get(chat_id))
            await eventually(lambda: waits_for_a_lock(postgres))
            live_chats.add(loaded.live)
        assert await reading is loaded.live
    assert live_chats.held(chat_id) is loaded.live
    await postgres.close()


async def test_a_chat_that_many_ask_for_at_once_is_read_once(postgres_url: str) -> None:
    postgres = await Postgres.open(postgres_url)
    rows = Rows(postgres)
    chat_id = await rows.chat(await rows.session(), await rows.active_channel())
    live_chats = LiveChats(postgres, encode_event)
    chats = await asyncio.gather(*(live_chats.get(chat_id) for _ in range(8)))
    assert {id(chat) for chat in chats} == {id(live_chats.held(chat_id))}
    await postgres.close()


async def test_lost_chats_are_all_dropped_before_the_first_is_shown(postgres_url: str) -> None:
    postgres = await Postgres.open(postgres_url)
    rows = Rows(postgres)
    channel, visitor = await rows.active_channel(), await rows.session()
    live_chats = LiveChats(postgres, encode_event)
    chats = [await live_chats.get(await rows.chat(visitor, channel)) for _ in range(3)]
    kept, *lost = [chat for chat in chats if chat is not None]
    for chat in (kept, *lost):
        chat.epoch = 1
    async with asyncio.TaskGroup() as group, postgres.pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("LOCK TABLE message IN ACCESS EXCLUSIVE MODE")
            dropping = group.create_task(live_chats.drop({chat.facts.id: 1 for chat in lost}))
            await eventually(lambda: waits_for_a_lock(postgres))
            assert [chat.epoch for chat in (kept, *lost)] == [1, None, None]
        await dropping
    assert all(chat.read_mark == (1, "OPEN", 4) for chat in lost)
    await postgres.close()


class Counting:
    """A follower that counts its snapshots."""

    snapshots = 0

    def push(self, event: EncodedEvent) -> None:
        """It is not told any."""

    def push_usage(self, usage: Usage) -> None:
        """Nor these."""

    def withdraw(self) -> None:
        """It keeps nothing."""

    def reopen(self) -> None:
        """One more."""
        self.snapshots += 1


async def test_a_lost_chat_that_is_shown_twice_at_once_is_shown_once(postgres_url: str) -> None:
    postgres = await Postgres.open(postgres_url)
    rows = Rows(postgres)
    live_chats, follower = LiveChats(postgres, encode_event), Counting()
    chat = await live_chats.get(await rows.chat(await rows.session(), await rows.active_channel()))
    assert chat is not None
    chat.epoch, chat.read_mark = 1, (0, "OPEN", 4)
    chat.follow(follower)
    async with asyncio.TaskGroup() as group, postgres.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE message IN ACCESS EXCLUSIVE MODE")
        group.create_task(live_chats.drop({chat.facts.id: 1}))
        await eventually(lambda: waits_for_a_lock(postgres))
        group.create_task(live_chats.reload(chat.facts.id, None))
    assert follower.snapshots == 1
    assert chat.read_mark == (1, "OPEN", 4)
    await postgres.close()
