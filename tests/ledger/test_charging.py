"""Charge, first token, refund: each happens at most once, whoever races."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

import asyncpg
import pytest

from server.domain.channels import ChannelStatus
from server.ledger import charging
from server.ledger.accounts import Balance, BrokenExpectation, ChannelAccount
from server.storage.ids import new_id
from server.storage.postgres import Connection, Postgres
from tests.ledger.books import Books, refund_chat
from tests.support.waiting import eventually


async def test_a_charge_takes_one_credit_and_numbers_its_entry(books: Books) -> None:
    channel_id = await books.channel(credits_=2)
    (chat_id,) = await books.chats(channel_id)
    assert await books.start(channel_id, [chat_id]) == {chat_id}
    assert await books.balance(channel_id) == Balance(channel_id, 1, 2)
    assert await books.entries(channel_id) == [(1, "ADJUST", 2, 2), (2, "CHAT", -1, 1)]
    assert await books.credit_state(chat_id) == "CHARGED"
    await books.assert_clean()


async def test_a_batch_is_numbered_in_the_order_of_its_starts_over_many_channels(books: Books) -> None:
    one, other = await books.channel(credits_=5), await books.channel(credits_=5)
    first, third = await books.chats(one, 2)
    second, fourth = await books.chats(other, 2)
    starts = [(one, third), (other, second), (one, first), (other, fourth)]

    async def work(conn: Connection) -> dict[UUID, Balance]:
        return await charging.charge(conn, await charging.lock_channels(conn, [other, one]), starts)

    assert await books.postgres.transact(work) == {one: Balance(one, 3, 3), other: Balance(other, 3, 3)}
    for channel_id, chat_ids in ((one, [third, first]), (other, [second, fourth])):
        rows = await books.postgres.pool.fetch(
            "SELECT chat_id FROM credit_entry WHERE channel_id = $1 AND kind = 'CHAT' ORDER BY channel_seq", channel_id
        )
        assert [row["chat_id"] for row in rows] == chat_ids
    await books.assert_clean()


async def test_a_batch_of_sixty_four_is_one_charge_each(books: Books) -> None:
    channel_id = await books.channel(credits_=100)
    chat_ids = await books.chats(channel_id, 64)
    assert len(await books.start(channel_id, chat_ids)) == 64
    assert (await books.balance(channel_id)).balance == 36
    await books.assert_clean()


async def test_starting_a_chat_again_charges_nothing(books: Books) -> None:
    channel_id = await books.channel(credits_=2)
    chat_id = await books.charged_chat(channel_id)
    assert await books.start(channel_id, [chat_id]) == set()
    assert (await books.balance(channel_id)).balance == 1


async def test_two_hundred_starts_on_one_credit_charge_exactly_one(books: Books) -> None:
    channel_id = await books.channel(credits_=1)
    chat_ids = await books.chats(channel_id, 200)
    charged = await asyncio.gather(*(books.start(channel_id, [chat_id]) for chat_id in chat_ids))
    assert sum(map(len, charged)) == 1
    assert (await books.balance(channel_id)).balance == 0
    await books.assert_clean()


async def test_the_same_chat_started_many_times_at_once_is_charged_once(books: Books) -> None:
    channel_id = await books.channel(credits_=50)
    (chat_id,) = await books.chats(channel_id)
    charged = await asyncio.gather(*(books.start(channel_id, [chat_id]) for _ in range(50)))
    assert sum(map(len, charged)) == 1
    assert (await books.balance(channel_id)).balance == 49
    await books.assert_clean()


async def test_two_processes_share_the_credits_without_losing_or_making_one(books: Books, postgres_url: str) -> None:
    channel_id = await books.channel(credits_=7)
    nodes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.ledger.one_node", postgres_url, str(channel_id), "50"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(2)
    ]
    for node in nodes:
        assert node.stdout is not None
        assert await asyncio.wait_for(node.stdout.readline(), 20) == b"ready\n"
    outputs = await asyncio.gather(*(asyncio.wait_for(node.communicate(b"go\n"), 30) for node in nodes))
    assert sum(int(output) for output, _ in outputs) == 7
    assert (await books.balance(channel_id)).balance == 0
    await books.assert_clean()


async def test_batches_of_many_channels_in_any_order_do_not_deadlock(books: Books) -> None:
    channel_ids = [await books.channel(credits_=100) for _ in range(4)]
    chat_ids = {channel_id: await books.chats(channel_id, 40) for channel_id in channel_ids}

    async def start_all(turn: int) -> None:
        order = channel_ids[turn % 4 :] + channel_ids[: turn % 4]
        async with books.postgres.pool.acquire() as conn, conn.transaction():
            accounts = await charging.lock_channels(conn, order)
            await charging.charge(conn, accounts, [(channel_id, chat_ids[channel_id][turn]) for channel_id in order])

    await asyncio.gather(*(start_all(turn) for turn in range(40)))
    assert [(await books.balance(channel_id)).balance for channel_id in channel_ids] == [60] * 4
    await books.assert_clean()


async def test_opening_a_chat_does_not_wait_for_a_charge_of_its_channel(books: Books) -> None:
    channel_id = await books.channel(credits_=1)
    async with books.postgres.pool.acquire() as conn, conn.transaction():
        await charging.lock_channels(conn, [channel_id])
        async with asyncio.timeout(1.0):
            await books.chats(channel_id)


async def refuse(books: Books, accounts: dict[UUID, ChannelAccount], starts: list[tuple[UUID, UUID]]) -> None:
    """These starts must be refused, and leave nothing behind."""
    with pytest.raises(BrokenExpectation):
        await books.postgres.transact(lambda conn: charging.charge(conn, accounts, starts))
    await books.assert_clean()


async def test_a_stale_reading_of_the_channel_is_refused(books: Books) -> None:
    channel_id = await books.channel(credits_=5)
    (chat_id,) = await books.chats(channel_id)
    for balance, version in ((6, 0), (5, 2)):
        account = ChannelAccount(channel_id, ChannelStatus.ACTIVE, balance, version)
        with pytest.raises((BrokenExpectation, asyncpg.UniqueViolationError)):
            await books.postgres.transact(
                lambda conn, account=account: charging.charge(conn, {channel_id: account}, [(channel_id, chat_id)])  # type: ignore[misc]
            )
    await books.assert_clean()


@pytest.mark.parametrize("status", [ChannelStatus.PENDING, ChannelStatus.INACTIVE])
async def test_a_channel_that_is_not_on_air_is_not_charged(books: Books, status: ChannelStatus) -> None:
    channel_id = await books.channel(credits_=5)
    (chat_id,) = await books.chats(channel_id)
    await refuse(books, {channel_id: ChannelAccount(channel_id, status, 5, 1)}, [(channel_id, chat_id)])


async def test_more_starts_than_credits_are_refused(books: Books) -> None:
    channel_id = await books.channel(credits_=1)
    account = ChannelAccount(channel_id, ChannelStatus.ACTIVE, 1, 1)
    await refuse(books, {channel_id: account}, [(channel_id, chat) for chat in await books.chats(channel_id, 2)])


async def test_a_chat_of_another_channel_or_of_none_is_not_charged(books: Books) -> None:
    channel_id, other = await books.channel(credits_=5), await books.channel(credits_=5)
    (foreign,) = await books.chats(other)
    account = ChannelAccount(channel_id, ChannelStatus.ACTIVE, 5, 1)
    await refuse(books, {channel_id: account}, [(channel_id, foreign)])
    with pytest.raises((BrokenExpectation, asyncpg.ForeignKeyViolationError)):
        await books.postgres.transact(
            lambda conn: charging.charge(conn, {channel_id: account}, [(channel_id, new_id())])
        )


async def test_a_charged_chat_is_not_charged_again(books: Books) -> None:
    channel_id = await books.channel(credits_=5)
    chat_id = await books.charged_chat(channel_id)
    account = ChannelAccount(channel_id, ChannelStatus.ACTIVE, 4, 2)
    with pytest.raises((BrokenExpectation, asyncpg.UniqueViolationError)):
        await books.postgres.transact(
            lambda conn: charging.charge(conn, {channel_id: account}, [(channel_id, chat_id)])
        )
    await books.assert_clean()


async def test_the_first_token_is_marked_once_and_only_under_the_epoch(books: Books) -> None:
    channel_id = await books.channel(credits_=5)
    chat_id = await books.charged_chat(channel_id)
    assert not await books.spend(chat_id, epoch=2)
    assert await books.spend(chat_id)
    assert not await books.spend(chat_id)
    assert await books.credit_state(chat_id) == "SPENT"
    await books.assert_clean()


async def test_first_tokens_of_many_chats_are_one_statement(books: Books) -> None:
    channel_id = await books.channel(credits_=64)
    chat_ids = await books.chats(channel_id, 64)
    await books.start(channel_id, chat_ids[:-1])
    spent = await books.postgres.transact(lambda conn: charging.spend(conn, [(chat_id, 1) for chat_id in chat_ids]))
    assert spent == set(chat_ids[:-1])
    await books.assert_clean()


async def test_an_uncharged_chat_has_no_first_token(books: Books) -> None:
    channel_id = await books.channel(credits_=5)
    (chat_id,) = await books.chats(channel_id)
    assert not await books.spend(chat_id)


async def test_a_refund_gives_the_credit_back_once_and_closes_the_chat(books: Books) -> None:
    channel_id = await books.channel(credits_=5)
    chat_id = await books.charged_chat(channel_id)
    assert await books.refund(chat_id) == Balance(channel_id, 5, 3)
    assert await books.refund(chat_id) is None
    assert await books.entries(channel_id) == [(1, "ADJUST", 5, 5), (2, "CHAT", -1, 4), (3, "REFUND", 1, 5)]
    assert await books.postgres.pool.fetchval("SELECT state FROM chat WHERE id = $1", chat_id) == "CLOSED"
    await books.assert_clean()


@pytest.mark.parametrize("epoch", [0, 2])
async def test_another_epoch_gives_nothing_back(books: Books, epoch: int) -> None:
    channel_id = await books.channel(credits_=5)
    chat_id = await books.charged_chat(channel_id)
    assert await books.refund(chat_id, epoch) is None
    assert (await books.balance(channel_id)).balance == 4


async def test_nothing_is_given_back_after_the_first_token_nor_before_the_charge_nor_to_nobody(books: Books) -> None:
    channel_id = await books.channel(credits_=5)
    spent, (opened,) = await books.charged_chat(channel_id), await books.chats(channel_id)
    await books.spend(spent)
    elsewhere = await books.charged_chat(await books.channel(credits_=5))
    for chat_id in (spent, opened):
        assert await books.refund(chat_id) is None

    async def refund_nobody(conn: Connection) -> None:
        account = (await charging.lock_channels(conn, [channel_id]))[channel_id]
        for chat_id in (new_id(), elsewhere):
            assert await charging.refund(conn, account, chat_id, 1) is None

    await books.postgres.transact(refund_nobody)
    assert (await books.balance(channel_id)).balance == 4
    await books.assert_clean()


async def test_of_a_first_token_and_a_refund_exactly_one_wins(books: Books) -> None:
    channel_id = await books.channel(credits_=40)
    chat_ids = await books.chats(channel_id, 40)
    await books.start(channel_id, chat_ids)
    outcomes = await asyncio.gather(
        *(one_of_both(books, chat_id, spend_first=number % 2 == 0) for number, chat_id in enumerate(chat_ids))
    )
    assert all(spent != refunded for spent, refunded in outcomes)
    await books.assert_clean()


async def one_of_both(books: Books, chat_id: UUID, *, spend_first: bool) -> tuple[bool, bool]:
    if spend_first:
        spent, balance = await asyncio.gather(books.spend(chat_id), books.refund(chat_id))
    else:
        balance, spent = await asyncio.gather(books.refund(chat_id), books.spend(chat_id))
    return spent, balance is not None


async def test_many_refunds_of_one_chat_give_one_credit_back(books: Books) -> None:
    channel_id = await books.channel(credits_=5)
    chat_id = await books.charged_chat(channel_id)
    balances = await asyncio.gather(*(books.refund(chat_id) for _ in range(30)))
    assert [balance for balance in balances if balance is not None] == [Balance(channel_id, 5, 3)]
    await books.assert_clean()


async def test_refunds_and_charges_of_one_channel_keep_its_ledger_without_a_hole(books: Books) -> None:
    channel_id = await books.channel(credits_=100)
    refunded, started = await books.chats(channel_id, 40), await books.chats(channel_id, 40)
    await books.start(channel_id, refunded)
    await asyncio.gather(
        *(books.refund(chat_id) for chat_id in refunded),
        *(books.start(channel_id, [chat_id]) for chat_id in started),
        *(books.add_credits(channel_id, 1) for _ in range(20)),
    )
    assert await books.balance(channel_id) == Balance(channel_id, 80, 141)
    await books.assert_clean()


async def test_a_refund_from_an_old_reading_of_the_channel_is_not_written(books: Books) -> None:
    channel_id = await books.channel(credits_=5)
    chat_id = await books.charged_chat(channel_id)

    async def work(conn: Connection) -> None:
        account = (await charging.lock_channels(conn, [channel_id]))[channel_id]
        await charging.refund(conn, replace(account, version=account.version - 1), chat_id, 1)

    with pytest.raises(BrokenExpectation):
        await books.postgres.transact(work)
    assert await books.credit_state(chat_id) == "CHARGED"
    await books.assert_clean()


async def test_a_refund_waits_for_the_channel_and_then_sees_what_happened(books: Books, postgres: Postgres) -> None:
    channel_id = await books.channel(credits_=5)
    chat_id = await books.charged_chat(channel_id)
    async with postgres.pool.acquire() as conn:
        holding = conn.transaction()
        await holding.start()
        await charging.lock_channels(conn, [channel_id])
        refund = asyncio.create_task(books.refund(chat_id))
        await wait_for_a_lock(postgres)
        await charging.spend(conn, [(chat_id, 1)])
        await holding.commit()
    assert await refund is None
    assert await books.credit_state(chat_id) == "SPENT"
    await books.assert_clean()


async def test_a_refund_and_those_behind_it_never_wait_in_a_circle(books: Books, postgres: Postgres) -> None:
    """While a chat is being opened: its insert holds the channel's row too, in a way that all of these may share."""
    channel_id = await books.channel(credits_=5)
    chat_id = await books.charged_chat(channel_id)

    async def refund(conn: Connection) -> None:
        await refund_chat(conn, chat_id)

    async def lock(conn: Connection) -> None:
        await charging.lock_channels(conn, [channel_id])

    async def once(work: Callable[[Connection], Awaitable[None]]) -> None:
        async with postgres.pool.acquire() as conn, conn.transaction():
            await work(conn)

    async with asyncio.TaskGroup() as waiting, postgres.pool.acquire() as opening, opening.transaction():
        await opening.execute("SELECT 1 FROM channel WHERE id = $1 FOR KEY SHARE", channel_id)
        async with postgres.pool.acquire() as conn, conn.transaction():
            await conn.execute("UPDATE channel SET updated_at = clock_timestamp() WHERE id = $1", channel_id)
            tasks = []
            for work in (refund, lock, lock, lock):
                tasks.append(waiting.create_task(once(work)))
                await wait_for_a_lock(postgres, len(tasks))
        await asyncio.wait(tasks)
    assert await books.credit_state(chat_id) == "REFUNDED"


async def wait_for_a_lock(postgres: Postgres, waiters: int = 1) -> None:
    """Until so many in this database wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def are_there() -> bool:
        return bool(await postgres.pool.fetchval(waiting) >= waiters)

    await eventually(are_there)
