"""Admission by the copy in Redis: what it says when Redis is right, wrong, empty or gone."""

import asyncio
from uuid import UUID

from server.embedded.postgres import EmbeddedPostgres
from server.embedded.valkey import EmbeddedValkey
from server.ledger.accounts import Balance
from server.ledger.credits import Credits
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from server.storage.redis import Redis, balance_key, reservations_key
from tests.ledger.books import Books
from tests.support.waiting import eventually


async def copy(redis: Redis, channel_id: UUID) -> tuple[int, int] | None:
    """Balance and version as Redis has them; None: it has none."""
    balance, version = await redis.run(lambda client: client.hmget(balance_key(channel_id), ["b", "v"]))
    return None if balance is None or version is None else (int(balance), int(version))


async def test_a_cold_key_is_filled_from_postgres(books: Books, redis: Redis, channel_credits: Credits) -> None:
    channel_id = await books.channel(credits_=3)
    assert await channel_credits.reserve(channel_id, new_id())
    assert await copy(redis, channel_id) == (3, 1)


async def test_no_more_chats_are_admitted_than_there_are_credits_once_they_are_spent(
    books: Books, channel_credits: Credits
) -> None:
    channel_id = await books.channel(credits_=2)
    chat_ids = await books.chats(channel_id, 3)
    for chat_id in chat_ids[:2]:
        assert await channel_credits.reserve(channel_id, chat_id)
        await books.start(channel_id, [chat_id])
        await channel_credits.publish([await books.balance(channel_id)], [chat_id])
    assert not await channel_credits.reserve(channel_id, chat_ids[2])


async def test_a_chat_that_has_a_reservation_is_admitted_again(books: Books, channel_credits: Credits) -> None:
    channel_id, chat_id = await books.channel(credits_=1), new_id()
    assert [await channel_credits.reserve(channel_id, chat_id) for _ in range(3)] == [True] * 3


async def test_reservations_alone_refuse_nobody_while_postgres_has_credit(
    books: Books, channel_credits: Credits
) -> None:
    channel_id = await books.channel(credits_=1)
    assert await channel_credits.reserve(channel_id, new_id())
    assert await channel_credits.reserve(channel_id, new_id())  # the first one may still fail


async def test_a_released_start_makes_room(books: Books, redis: Redis, channel_credits: Credits) -> None:
    channel_id, chat_id = await books.channel(credits_=1), new_id()
    await channel_credits.reserve(channel_id, chat_id)
    await channel_credits.release(channel_id, chat_id)
    assert await redis.run(lambda client: client.zcard(reservations_key(channel_id))) == 0
    assert await copy(redis, channel_id) == (1, 1)


async def test_a_channel_that_is_not_there_is_left_to_the_group_commit(channel_credits: Credits) -> None:
    assert await channel_credits.reserve(new_id(), new_id())


async def test_a_stale_empty_copy_refuses_nobody(books: Books, redis: Redis, channel_credits: Credits) -> None:
    channel_id = await books.channel(credits_=5)
    await channel_credits.publish([Balance(channel_id, 0, 999_999)])
    assert await channel_credits.reserve(channel_id, new_id())
    assert await copy(redis, channel_id) == (0, 999_999)


async def test_a_stale_full_copy_admits_and_the_ledger_decides(books: Books, channel_credits: Credits) -> None:
    channel_id = await books.channel()
    await channel_credits.publish([Balance(channel_id, 100, 999_999)])
    (chat_id,) = await books.chats(channel_id)
    assert await channel_credits.reserve(channel_id, chat_id)
    assert await books.start(channel_id, [chat_id]) == set()
    await books.assert_clean()


async def test_an_absurd_version_is_gone_when_it_expires(books: Books, redis: Redis, channel_credits: Credits) -> None:
    channel_id = await books.channel(credits_=5)
    await channel_credits.publish([Balance(channel_id, 0, 999_999)])
    await redis.run(lambda client: client.pexpire(balance_key(channel_id), 200))

    async def is_healed() -> bool:
        await channel_credits.publish([await books.balance(channel_id)])
        return await copy(redis, channel_id) == (5, 1)

    await eventually(is_healed, deadline_seconds=2)


async def test_a_crowd_on_an_empty_channel_costs_few_readings_of_postgres(books: Books, redis: Redis) -> None:
    channel_id = await books.channel()
    counted = CountingCredits(books.postgres, redis)
    assert await asyncio.gather(*(counted.reserve(channel_id, new_id()) for _ in range(200))) == [False] * 200
    assert counted.readings <= 8
    await books.add_credits(channel_id, 1)
    assert await counted.reserve(channel_id, new_id())


class CountingCredits(Credits):
    """Counts how often Postgres is asked for a balance."""

    readings = 0

    async def _read_and_publish(self, channel_id: UUID) -> Balance | None:
        self.readings += 1
        return await super()._read_and_publish(channel_id)


async def test_a_send_that_came_after_a_purchase_is_not_refused(books: Books, redis: Redis) -> None:
    channel_id = await books.channel()
    channel_credits = Credits(books.postgres, redis)
    for _ in range(50):
        crowd = [asyncio.create_task(channel_credits.reserve(channel_id, new_id())) for _ in range(10)]
        await books.add_credits(channel_id, 1)
        assert await channel_credits.reserve(channel_id, new_id())  # Redis still says EMPTY: nobody has published
        await asyncio.gather(*crowd)
        (chat_id,) = await books.chats(channel_id)
        await books.start(channel_id, [chat_id])
        await channel_credits.publish([await books.balance(channel_id)])


async def test_without_redis_everybody_is_admitted_at_once(books: Books, disposable_valkey: EmbeddedValkey) -> None:
    channel_id = await books.channel(credits_=1)
    redis = Redis.open(disposable_valkey.url)
    channel_credits = Credits(books.postgres, redis)
    assert await channel_credits.reserve(channel_id, new_id())
    disposable_valkey.stop()
    async with asyncio.timeout(30):  # 100 s if each of them waited
        assert all([await channel_credits.reserve(channel_id, new_id()) for _ in range(200)])
        await channel_credits.publish([Balance(channel_id, 1, 1)], [new_id()])
        await channel_credits.release(channel_id, new_id())
    await redis.close()


async def test_redis_that_comes_back_empty_is_filled_again(books: Books, disposable_valkey: EmbeddedValkey) -> None:
    channel_id = await books.channel(credits_=4)
    redis = Redis.open(disposable_valkey.url)
    channel_credits = Credits(books.postgres, redis)
    await channel_credits.reserve(channel_id, new_id())
    disposable_valkey.kill()
    await channel_credits.reserve(channel_id, new_id())
    disposable_valkey.start()
    await redis_is_back(redis)
    await redis.run(lambda client: client.flushall())
    assert await channel_credits.reserve(channel_id, new_id())
    assert await copy(redis, channel_id) == (4, 1)
    await redis.close()


async def redis_is_back(redis: Redis) -> None:
    async def answers() -> bool:
        if redis.available:
            await redis.ping()
        return redis.available

    await eventually(answers, deadline_seconds=5)


async def test_without_postgres_a_miss_is_left_to_the_group_commit(
    disposable_postgres: EmbeddedPostgres, redis: Redis
) -> None:
    postgres = await Postgres.open(disposable_postgres.url)
    channel_id = await Books(postgres).channel(credits_=1)
    disposable_postgres.stop()
    assert await Credits(postgres, redis).reserve(channel_id, new_id())
    await postgres.close()


async def test_emptying_redis_in_the_middle_of_starts_breaks_nothing(
    books: Books, redis: Redis, channel_credits: Credits
) -> None:
    channel_id = await books.channel(credits_=30)
    chat_ids = await books.chats(channel_id, 120)
    done = asyncio.Event()

    async def empty_again_and_again() -> None:
        while not done.is_set():
            await redis.run(lambda client: client.flushall())

    async def start(chat_id: UUID) -> bool:
        if not await channel_credits.reserve(channel_id, chat_id):
            return False
        charged = await books.start(channel_id, [chat_id])
        await channel_credits.publish([await books.balance(channel_id)], [chat_id])
        return bool(charged)

    emptying = asyncio.create_task(empty_again_and_again())
    charged = await asyncio.gather(*(start(chat_id) for chat_id in chat_ids))
    done.set()
    await emptying
    assert sum(charged) == 30
    assert (await books.balance(channel_id)).balance == 0
    await books.assert_clean()
