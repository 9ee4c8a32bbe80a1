"""Open pages hear of funding, status and balance, in order, once each: at once from this node, soon from others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from server.chats.watching import Watching
from server.domain.events import ChannelChanged, ChannelEvent, CreditChanged, CreditReason
from server.domain.transactions import TransactionType
from server.storage.postgres import Postgres
from tests.ledger.books import Books
from tests.support.waiting import eventually

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE
AT_ONCE_SECONDS = 0.5
"""Less than the time between two polls, long enough for a busy machine: the poll is told apart by a far later clock."""


@dataclass(eq=False)
class Page:
    """Writes down what it is told, each once it is told."""

    told: list[tuple[Any, ...]] = field(default_factory=list)

    def tell(self, event: ChannelEvent) -> None:
        if isinstance(event, ChannelChanged):
            self.told.append((event.status, event.activation_funding_cents, event.credit_balance))
        elif isinstance(event, CreditChanged):
            self.told.append((event.why, event.balance))


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Postgres]:
    opened = await Postgres.open(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
def books(postgres: Postgres) -> Books:
    return Books(postgres)


@contextlib.asynccontextmanager
async def running(watching: Watching) -> AsyncIterator[Watching]:
    task = asyncio.create_task(watching.run())
    yield watching
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def watching(postgres: Postgres) -> AsyncIterator[Watching]:
    async with running(Watching(postgres)) as started:
        yield started


def has(page: Page, *events: tuple[Any, ...]) -> Callable[[], bool]:
    return lambda: page.told == list(events)


async def a_poll(watching: Watching, books: Books) -> None:
    """Wait until every watched channel was read once more: another one's change was found."""
    channel_id, page = await books.channel(is_active=False), Page()
    await watching.watch(channel_id, page)
    await books.give(channel_id, ACTIVATION, 100)
    await eventually(lambda: len(page.told) > len(NEW))


NEW = (("PENDING", 0, 0), (CreditReason.NOW, 0))


async def test_funding_activation_and_credits_are_told_in_order_and_once(watching: Watching, books: Books) -> None:
    channel_id, page = await books.channel(is_active=False), Page()
    await watching.watch(channel_id, page)
    told = list(NEW)
    steps: list[tuple[TransactionType, int, list[tuple[Any, ...]]]] = [
        (ACTIVATION, 400, [("PENDING", 400, 0)]),
        (ACTIVATION, 1_000, [("ACTIVE", 1_000, 40), (CreditReason.PURCHASE, 40)]),
        (CREDIT_PURCHASE, 500, [(CreditReason.PURCHASE, 90)]),
    ]
    for type_, cents, events in steps:
        settlement = await books.give(channel_id, type_, cents)
        if settlement.balance is not None and not settlement.activated:
            watching.balance_changed(settlement.balance, CreditReason.PURCHASE)
        watching.channel_changed(channel_id)
        told += events
        await eventually(has(page, *told), AT_ONCE_SECONDS)
    await a_poll(watching, books)
    assert page.told == told


async def test_what_another_node_changed_is_told_within_about_a_second(watching: Watching, books: Books) -> None:
    channel_id, page = await books.channel(is_active=False), Page()
    await watching.watch(channel_id, page)
    await books.give(channel_id, ACTIVATION, 1_500)
    await eventually(has(page, *NEW, ("ACTIVE", 1_000, 50), (CreditReason.PURCHASE, 50)), 3.0)


async def test_many_changes_at_once_end_with_the_newest_and_never_go_back(watching: Watching, books: Books) -> None:
    channel_id, page = await books.channel(is_active=False, goal_cents=100_000), Page()
    await watching.watch(channel_id, page)

    async def give() -> None:
        await books.give(channel_id, ACTIVATION, 100)
        watching.channel_changed(channel_id)
        await watching.watch(channel_id, Page())  # whoever comes now must not bring back an older figure

    await asyncio.gather(*(give() for _ in range(20)))
    await eventually(lambda: page.told[-1] == ("PENDING", 2_000, 0))
    funding = [event[1] for event in page.told if event[0] == "PENDING"]
    assert funding == sorted(set(funding))


async def test_whoever_waits_with_somebody_who_goes_away_is_told(watching: Watching, books: Books) -> None:
    channel_id = await books.channel(is_active=False)
    for _ in range(20):
        gone, pages = Page(), [Page() for _ in range(3)]
        leader = asyncio.create_task(watching.watch(channel_id, gone))
        others = [asyncio.create_task(watching.watch(channel_id, page)) for page in pages]
        await asyncio.sleep(0)
        leader.cancel()
        await asyncio.gather(*others)
        assert [page.told[: len(NEW)] for page in pages] == [list(NEW)] * 3
        for page in pages:
            watching.unwatch(channel_id, page)
