"""One reading for a crowd, and never one that began before the caller came."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from server.ledger.shared_reads import SharedReads
from tests.support.waiting import eventually


class Source:
    """A source whose readings end when they are told to; each gives its own number."""

    def __init__(self) -> None:
        self.running: list[asyncio.Future[None]] = []
        self.begun = 0

    async def read(self, _key: str) -> int:
        self.begun += 1
        number = self.begun
        self.running.append(asyncio.get_running_loop().create_future())
        await self.running[-1]
        return number

    async def end(self, number: int, error: Exception | None = None) -> None:
        """Let the reading with this number end, as soon as it has begun."""
        await eventually(lambda: len(self.running) >= number)
        if error is None:
            self.running[number - 1].set_result(None)
        else:
            self.running[number - 1].set_exception(error)


def ask(reads: SharedReads[str, int], count: int = 1, key: str = "key") -> list[asyncio.Task[int]]:
    return [asyncio.create_task(reads.get(key)) for _ in range(count)]


async def settle_down() -> None:
    """Let every task run as far as it gets."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_crowd_shares_the_reading_after_the_one_that_runs() -> None:
    source = Source()
    reads = SharedReads(source.read)
    (first,) = ask(reads)
    await settle_down()
    crowd = ask(reads, 100)
    await settle_down()
    assert source.begun == 1
    await source.end(1)
    await source.end(2)
    assert await first == 1
    assert await asyncio.gather(*crowd) == [2] * 100
    assert source.begun == 2


async def test_nobody_gets_a_value_that_was_read_before_it_asked() -> None:
    source = Source()
    reads = SharedReads(source.read)
    early = ask(reads, 3)
    await settle_down()
    late = ask(reads, 3)
    await settle_down()
    await source.end(1)
    await settle_down()
    latest = ask(reads, 3)
    await source.end(2)
    await source.end(3)
    values = [await asyncio.gather(*tasks) for tasks in (early, late, latest)]
    assert values[0][0] == 1
    assert set(values[1]) == {2}
    assert set(values[2]) == {3}


async def test_keys_do_not_wait_for_each_other() -> None:
    source = Source()
    reads = SharedReads(source.read)
    tasks = ask(reads, key="one") + ask(reads, key="two")
    await settle_down()
    assert source.begun == 2
    await source.end(1)
    await source.end(2)
    await asyncio.gather(*tasks)


async def test_an_error_reaches_all_who_shared_the_reading_and_nobody_else() -> None:
    source = Source()
    reads = SharedReads(source.read)
    (first,) = ask(reads)
    await settle_down()
    crowd = ask(reads, 5)
    await settle_down()
    await source.end(1)
    await source.end(2, ConnectionResetError())
    assert await first == 1
    assert all(isinstance(one, ConnectionResetError) for one in await asyncio.gather(*crowd, return_exceptions=True))
    (after,) = ask(reads)
    await source.end(3)
    assert await after == 3


@pytest.mark.parametrize("while_reading", [False, True])
async def test_who_reads_for_the_others_may_leave(while_reading: bool) -> None:
    source = Source()
    reads = SharedReads(source.read)
    (first,) = ask(reads)
    await settle_down()
    leader, *others = ask(reads, 5)
    await settle_down()
    if while_reading:
        await source.end(1)
        await settle_down()
    leader.cancel()
    await settle_down()
    if not while_reading:
        await source.end(1)
    for number in range(2, 5):
        await settle_down()
        if len(source.running) >= number and not source.running[number - 1].done():
            await source.end(number)
    assert await first == 1
    values = await asyncio.wait_for(asyncio.gather(*others), 5)
    assert min(values) >= 2
    assert len(set(values)) <= 2
    assert leader.cancelled()


async def test_nothing_is_left_when_all_is_read() -> None:
    async def read(_key: str) -> int:
        await asyncio.sleep(0)
        return 1

    reader: Callable[[str], Awaitable[int]] = read
    reads = SharedReads(reader)
    await asyncio.gather(*(reads.get(str(number % 7)) for number in range(100)))
    assert reads._next == {}
    assert reads._turns == {}
