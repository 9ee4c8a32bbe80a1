"""What is read of the years: every sort, filters from one day to all, both directions, at any depth."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from server.channels.contributors import contributors_page
from server.domain.days import Days
from server.domain.identity import Identity
from server.domain.pages import PAGE_ITEMS_DEFAULT, Position
from server.domain.transactions import TransactionType
from server.ledger.supported_channels import supported_channels
from server.ledger.transaction_keys import Key, TransactionFilter, TransactionSort
from server.ledger.transactions import Transactions
from server.storage.postgres import Connection, Postgres

PLACES: Final = 30
"""Random places of each list; each is read from in both directions."""
ENDS: Final = 10
"""How often its first and its last page are read."""
GIVERS: Final = 100
SEED: Final = 20261128
CHOOSING_SECONDS: Final = 120.0

Read = Callable[[Postgres], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Case:
    """One group of reads whose times are told together.

    Attributes:
        group: what is told first, such as the filter.
        name: what is told beside it.
        reads: in the order they are made.
    """

    group: str
    name: str
    reads: Sequence[Read]


@dataclass(frozen=True, slots=True)
class _List:
    """A channel's list, as it is measured."""

    name: str
    channel_id: UUID
    filter: TransactionFilter
    sort: TransactionSort

    def at(self, position: Position | None) -> Read:
        """A page there."""
        return lambda postgres: Transactions(postgres).of_channel(
            self.channel_id, self.filter, self.sort, position, limit=PAGE_ITEMS_DEFAULT
        )


async def choose_cases(url: str) -> list[Case]:
    """Everything that is measured, with places chosen at random, the same on each run on the same rows."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    conn = await asyncpg.connect(url, command_timeout=CHOOSING_SECONDS)
    try:
        channel_id: UUID = await conn.fetchval("SELECT id FROM channel WHERE name = 'channel-1'")
        last = await conn.fetchval("SELECT max(day) FROM transaction_total")
        made: list[Case] = []
        keys: dict[TransactionFilter, list[Key]] = {}
        for list_ in _lists(channel_id, last):
            if list_.filter not in keys:
                keys[list_.filter] = await _some_keys(conn, list_, chance)
            made += await _of_list(conn, list_, keys[list_.filter])
        made += await _of_givers(conn, channel_id, chance)
        return [case for case in made if case.reads]
    finally:
        await conn.close()


def _lists(channel_id: UUID, last: date) -> list[_List]:
    far = last - timedelta(days=500)
    purchases = TransactionType.CREDIT_PURCHASE
    filters = {
        "no filter": TransactionFilter(),
        "purchases": TransactionFilter(purchases),
        "activation": TransactionFilter(TransactionType.ACTIVATION),
        "1 day": TransactionFilter(days=Days(far, far)),
        "3 days": TransactionFilter(days=Days(far, far + timedelta(days=2))),
        "purchases of 30 days": TransactionFilter(purchases, Days(far, far + timedelta(days=29))),
        "1 year": TransactionFilter(days=Days(far, far + timedelta(days=364))),
    }
    return [
        _List(f"{name}, {sort.value}", channel_id, filter_, sort)
        for name, filter_ in filters.items()
        for sort in TransactionSort
    ]


async def _of_list(conn: Connection, list_: _List, keys: Sequence[Key]) -> list[Case]:
    middle = [list_.at(key.at(backwards=backwards)) for key in keys for backwards in (False, True)]
    end = await _end_of(conn, list_)
    places = {"first": [list_.at(None)] * ENDS, "middle": middle, "last": [list_.at(end)] * ENDS}
    return [Case(list_.name, place, reads) for place, reads in places.items()]


_OF_LIST: Final = """
SELECT amount_cents, created_at, id FROM "transaction"
WHERE channel_id = $1 AND type = ANY($2) AND ($3::timestamptz IS NULL OR created_at >= $3)
      AND ($4::timestamptz IS NULL OR created_at < $4)
"""


async def _some_keys(conn: Connection, list_: _List, chance: random.Random) -> list[Key]:
    """Rows of the list at random."""
    days = list_.filter.days
    one_of = 1 if list_.filter.type is TransactionType.ACTIVATION else 97
    rows = await conn.fetch(
        f"{_OF_LIST} AND hashtextextended(id::text, 0) % $5 = 0 ORDER BY id",
        list_.channel_id,
        list(list_.filter.types),
        days.begin,
        days.end,
        one_of,
    )
    return [Key(*row) for row in chance.sample(rows, min(PLACES, len(rows)))]


async def _end_of(conn: Connection, list_: _List) -> Position | None:
    """Where the last page begins."""
    columns = ("amount_cents", "created_at", "id") if list_.sort.by_amount else ("created_at", "id")
    order = ", ".join(f"{column} {'ASC' if list_.sort.is_descending else 'DESC'}" for column in columns)
    days = list_.filter.days
    row = await conn.fetchrow(
        f"{_OF_LIST} ORDER BY {order} OFFSET {PAGE_ITEMS_DEFAULT} LIMIT 1",
        list_.channel_id,
        list(list_.filter.types),
        days.begin,
        days.end,
    )
    return None if row is None else Key(*row).at(backwards=False)


async def _of_givers(conn: Connection, channel_id: UUID, chance: random.Random) -> list[Case]:
    rows = await conn.fetch(
        """
        SELECT giver_id, user_id, sum(activations + purchases)::bigint AS transactions FROM contributor
        GROUP BY 1, 2 ORDER BY 3 DESC, 1
        """
    )
    people = [Identity(session_id=row["giver_id"], user_id=row["user_id"]) for row in rows]
    groups = {"givers at random": chance.sample(people, min(GIVERS, len(people))), "the greatest": people[:20]}
    made = []
    for group, chosen in groups.items():
        for sort in (TransactionSort.NEWEST, TransactionSort.LARGEST):
            reads = [_own(who, sort) for who in chosen]
            made.append(Case(f"own transactions, {sort.value}", group, reads))
        made.append(Case("own contributions by channel", group, [_grouped(who) for who in chosen]))
    several: list[Read] = [
        lambda postgres: contributors_page(postgres, channel_id, None, limit=PAGE_ITEMS_DEFAULT)
    ] * ENDS
    return [*made, Case("contributors of the channel", "first", several)]


def _own(who: Identity, sort: TransactionSort) -> Read:
    return lambda postgres: Transactions(postgres).of_giver(
        who, None, TransactionFilter(), sort, limit=PAGE_ITEMS_DEFAULT
    )


def _grouped(who: Identity) -> Read:
    return lambda postgres: supported_channels(postgres, who, limit=PAGE_ITEMS_DEFAULT)
