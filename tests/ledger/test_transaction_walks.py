"""A walk through the pages of a list, while others settle contributions on the same channel all the time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from server.domain.identity import Identity
from server.domain.pages import Position
from server.domain.transactions import TransactionType
from server.ledger.contributions import settle
from server.ledger.transaction_keys import Key, TransactionFilter, TransactionSort
from server.ledger.transactions import ListedTransaction, Transactions
from server.storage.postgres import Postgres
from tests.ledger.books import Books

WRITERS = 4
BEFORE = 24
PAGE = 3


@dataclass
class Traffic:
    """A channel, and writers that go on until the test has seen enough."""

    books: Books
    channel_id: UUID
    session_id: UUID
    written: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, cents: int) -> None:
        new = await self.books.contribution(
            self.channel_id, TransactionType.CREDIT_PURCHASE, cents, session_id=self.session_id
        )
        await self.books.settle(new.id)
        self.written.set()

    async def write_on(self, number: int) -> None:
        cents = 100 * number
        while True:
            await self.write(100 + cents % 500)
            cents += 100

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            writers = [group.create_task(self.write_on(number)) for number in range(WRITERS)]
            yield
            for writer in writers:
                writer.cancel()

    async def next_write(self) -> None:
        """Returns when somebody has written once more."""
        self.written.clear()
        await self.written.wait()

    async def ids(self, order: str = "created_at, id") -> list[UUID]:
        rows = await self.books.postgres.pool.fetch(
            f'SELECT id FROM "transaction" WHERE channel_id = $1 ORDER BY {order}', self.channel_id
        )
        return [row["id"] for row in rows]


@pytest.fixture
async def traffic(books: Books) -> Traffic:
    made = Traffic(books, await books.channel(), await books.session())
    for number in range(BEFORE):
        await made.write(100 + 100 * (number % 5))
    return made


async def walk(
    traffic: Traffic, sort: TransactionSort, position: Position | None = None, *, pages_max: int = 1_000
) -> tuple[list[ListedTransaction], Position | None]:
    """Pages in one direction, each after another write; the rows in the order they came, and where it stopped."""
    reader, rows = Transactions(traffic.books.postgres), list[ListedTransaction]()
    backwards = position is not None and position.backwards
    for _ in range(pages_max):
        found = await reader.of_channel(traffic.channel_id, TransactionFilter(), sort, position, limit=PAGE)
        rows += reversed(found.page.items) if backwards else found.page.items
        position = found.page.previous if backwards else found.page.next
        if position is None:
            break
        await traffic.next_write()
    return rows, position


def place_of(row: ListedTransaction, *, backwards: bool = False) -> Position:
    return Key(row.amount_cents, row.created_at, row.id).at(backwards=backwards)


def ids_of(rows: list[ListedTransaction]) -> list[UUID]:
    return [row.id for row in rows]


async def test_from_the_newest_on_nothing_is_skipped_or_repeated(traffic: Traffic) -> None:
    async with traffic.running():
        rows, _ = await walk(traffic, TransactionSort.NEWEST)
    ids = await traffic.ids("created_at DESC, id DESC")
    assert ids_of(rows) == ids[ids.index(rows[0].id) :]


async def test_from_the_oldest_on_nothing_is_skipped_or_repeated_up_to_the_end(traffic: Traffic) -> None:
    async with traffic.running():
        rows, _ = await walk(traffic, TransactionSort.OLDEST, pages_max=20)
    ids = await traffic.ids()
    assert len(rows) > BEFORE
    assert ids_of(rows) == ids[: len(rows)]


async def test_who_began_earlier_and_ends_later_comes_behind_the_place_that_was_reached(traffic: Traffic) -> None:
    """The time of a row is read under the channel's lock, or the walk has passed it when the row appears."""
    books, reader = traffic.books, Transactions(traffic.books.postgres)
    slow = await books.contribution(traffic.channel_id, TransactionType.CREDIT_PURCHASE, 900)
    async with books.postgres.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT 1")
        await traffic.write(500)
        found = await reader.of_channel(traffic.channel_id, TransactionFilter(), TransactionSort.OLDEST, limit=100)
        assert found.page.next is None
        await settle(conn, slow.id)
    reached = place_of(found.page.items[-1])
    found = await reader.of_channel(traffic.channel_id, TransactionFilter(), TransactionSort.OLDEST, reached, limit=100)
    assert [row.amount_cents for row in found.page.items] == [900]


async def test_backwards_to_the_newest_nothing_is_skipped_or_repeated(traffic: Traffic) -> None:
    async with traffic.running():
        down, _ = await walk(traffic, TransactionSort.NEWEST)
        up, _ = await walk(traffic, TransactionSort.NEWEST, place_of(down[-1], backwards=True), pages_max=20)
    ids = await traffic.ids()
    assert ids_of(up) == ids[1 : len(up) + 1]
    assert len(up) > BEFORE


@pytest.mark.parametrize("sort", [TransactionSort.SMALLEST, TransactionSort.LARGEST])
async def test_by_amount_what_was_there_comes_once_and_nothing_twice(traffic: Traffic, sort: TransactionSort) -> None:
    before = set(await traffic.ids())
    async with traffic.running():
        rows, _ = await walk(traffic, sort, pages_max=BEFORE * 4)
    ids = ids_of(rows)
    assert len(set(ids)) == len(ids)
    assert before <= set(ids)


async def test_rows_and_totals_are_of_one_moment(traffic: Traffic) -> None:
    reader = Transactions(traffic.books.postgres)
    async with traffic.running():
        for _ in range(20):
            found = await reader.of_channel(traffic.channel_id, TransactionFilter(), limit=100)
            for total in found.totals:
                rows = [row for row in found.page.items if row.type is total.type]
                if found.page.next is None:
                    assert (len(rows), sum(row.amount_cents for row in rows)) == (
                        total.transactions,
                        total.amount_cents,
                    )


async def test_an_export_has_what_was_there_once_and_comes_to_an_end(traffic: Traffic, postgres: Postgres) -> None:
    reader = Transactions(postgres, batch_rows=PAGE)
    before = await traffic.ids()
    async with traffic.running():
        for sort in TransactionSort:
            ids = list[UUID]()
            async for batch in reader.all_of_channel(traffic.channel_id, TransactionFilter(), sort):
                ids += [row.id for row in batch]
                await traffic.next_write()
            assert len(set(ids)) == len(ids)
            assert set(before) <= set(ids)


async def test_a_giver_s_export_is_theirs_alone(traffic: Traffic, postgres: Postgres) -> None:
    other = await traffic.books.session()
    reader = Transactions(postgres)
    own = [
        [row.channel_id async for batch in reader.all_of_giver(who, None, TransactionFilter()) for row in batch]
        for who in (Identity(session_id=traffic.session_id), Identity(session_id=other))
    ]
    assert own == [[traffic.channel_id] * BEFORE, []]
