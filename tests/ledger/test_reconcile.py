"""The reconciler puts right what Redis has lost or got wrong, for the channels in use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from structlog.testing import capture_logs

from server.embedded.postgres import EmbeddedPostgres
from server.ledger.accounts import Balance
from server.ledger.audit import check
from server.ledger.credits import Credits
from server.ledger.reconcile import reconcile
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from server.storage.redis import Redis, balance_key
from tests.ledger.books import Books
from tests.support.waiting import eventually


@asynccontextmanager
async def reconciling(channel_credits: Credits) -> AsyncIterator[None]:
    task = asyncio.create_task(reconcile(channel_credits, period_seconds=0.02))
    yield
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)


async def copy(redis: Redis, channel_id: UUID) -> list[bytes | str | None]:
    return list(await redis.run(lambda client: client.hmget(balance_key(channel_id), ["b", "v"])))


async def test_a_lost_publish_is_made_good(books: Books, redis: Redis, channel_credits: Credits) -> None:
    channel_id = await books.channel(credits_=3)
    await channel_credits.reserve(channel_id, new_id())
    await books.add_credits(channel_id, 4)  # and nobody publishes it
    async with reconciling(channel_credits):
        await eventually(lambda: healed(redis, channel_id, [b"7", b"2"]), deadline_seconds=5)


async def healed(redis: Redis, channel_id: UUID, wanted: list[bytes]) -> bool:
    return await copy(redis, channel_id) == wanted


async def test_an_emptied_redis_is_filled_for_the_channels_in_use(
    books: Books, redis: Redis, channel_credits: Credits
) -> None:
    channel_id, unused = await books.channel(credits_=3), await books.channel(credits_=3)
    await channel_credits.publish([Balance(channel_id, 3, 1)])
    await redis.run(lambda client: client.flushall())
    await channel_credits.refresh()
    assert await copy(redis, channel_id) == [b"3", b"1"]
    assert await copy(redis, unused) == [None, None]


async def test_a_channel_that_is_not_used_any_more_is_left_to_its_expiry(
    books: Books, redis: Redis, channel_credits: Credits
) -> None:
    channel_id = await books.channel(credits_=3)
    await channel_credits.publish([Balance(channel_id, 3, 1)])
    await channel_credits.refresh()
    await channel_credits.refresh()
    await redis.run(lambda client: client.flushall())
    await channel_credits.refresh()
    assert await copy(redis, channel_id) == [None, None]


async def test_the_check_reports_a_difference_until_it_is_healed(
    books: Books, redis: Redis, channel_credits: Credits
) -> None:
    channel_id = await books.channel(credits_=3)
    await channel_credits.publish([Balance(channel_id, 9, 1)])
    report = await check(books.postgres, redis)
    assert report.is_clean
    assert report.differences is not None
    assert [finding.subject for finding in report.differences] == [f"channel channel-{channel_id}"]
    await channel_credits.refresh()
    assert (await check(books.postgres, redis)).differences == ()


async def test_it_goes_on_after_postgres_was_away(disposable_postgres: EmbeddedPostgres, redis: Redis) -> None:
    postgres = await Postgres.open(disposable_postgres.url)
    channel_credits = Credits(postgres, redis)
    channel_id = await Books(postgres).channel(credits_=3)
    await channel_credits.publish([Balance(channel_id, 9, 1)])
    disposable_postgres.kill()
    async with reconciling(channel_credits):
        with capture_logs() as logs:
            await eventually(lambda: any(one["event"] == "reconcile.waits" for one in logs))
        disposable_postgres.start()
        await eventually(lambda: healed(redis, channel_id, [b"3", b"1"]), deadline_seconds=10)
    await postgres.close()
