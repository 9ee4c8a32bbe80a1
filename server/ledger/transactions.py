"""Transactions as people read them: a channel's, which everybody may see, and one's own."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Row, Select, and_, case, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from server.domain.identity import Identity
from server.domain.pages import Page, Position, page_of
from server.domain.transactions import TransactionStatus, TransactionType
from server.ledger.transaction_keys import (
    Key,
    Reading,
    TransactionFilter,
    TransactionSort,
    keys_of_channel,
    keys_of_giver,
)
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres
from server.storage.tables.channels import channel
from server.storage.tables.contributions import contribution, transaction
from server.storage.tables.people import user
from server.storage.tables.totals import transaction_total

BATCH_ROWS: Final = 500
"""What an export reads at once; between two batches it holds no connection and no snapshot."""


@dataclass(frozen=True, slots=True)
class ListedTransaction:
    """A transaction, without who made it.

    Attributes:
        type: what it was for.
        amount_cents: negative on a reversal.
        credits: negative on a reversal; 0 on an activation.
        name: what the giver is called in public; None: an anonymous supporter.
        reverses_id: the transaction that it takes back; None on any other.
        contribution_id: the payment that it is a part of; only its giver may know it.
    """

    id: UUID
    type: TransactionType
    status: TransactionStatus
    amount_cents: int
    currency: str
    credits: int
    description: str
    created_at: datetime
    reverses_id: UUID | None
    name: str | None
    contribution_id: UUID
    channel_id: UUID
    channel_name: str
    channel_title: str


@dataclass(frozen=True, slots=True)
class TypeTotal:
    """What the transactions of one type come to; reversals are counted, and taken off the sums."""

    type: TransactionType
    transactions: int
    amount_cents: int
    credits: int


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """A part of a list, and what all of the list comes to, as they were at one moment."""

    page: Page[ListedTransaction]
    totals: Sequence[TypeTotal]


@dataclass(frozen=True, slots=True)
class _List:
    """A list: how to read keys of it when it has so many rows, and its totals."""

    keys: Callable[[Reading, int], Select[Any]]
    totals: Select[Any]
    types: Sequence[TransactionType]


class Transactions:
    """Reads transactions. It never writes."""

    def __init__(self, postgres: Postgres, *, batch_rows: int = BATCH_ROWS) -> None:
        # One snapshot for the rows and their totals, or they would disagree about what was written between them.
        self._engine = postgres.snapshots
        self._batch_rows = batch_rows

    async def of_channel(
        self,
        channel_id: UUID,
        filter_: TransactionFilter,
        sort: TransactionSort = TransactionSort.NEWEST,
        position: Position | None = None,
        *,
        limit: int,
    ) -> TransactionPage:
        """A page of a channel's transactions.

        Args:
            channel_id: whose.
            filter_: what is left of the list.
            sort: how it is sorted.
            position: None means the beginning.
            limit: rows at most.

        Raises:
            Refusal: unavailable; bad_request, the position is of another list.
        """
        return await self._page(_list_of_channel(channel_id, filter_), sort, position, limit)

    async def of_giver(
        self,
        identity: Identity,
        channel_id: UUID | None,
        filter_: TransactionFilter,
        sort: TransactionSort = TransactionSort.NEWEST,
        position: Position | None = None,
        *,
        limit: int,
    ) -> TransactionPage:
        """A page of somebody's own transactions: a user's on every device, what came before the sign-in included, or
        those of a visitor's session that nobody has claimed.

        Args:
            identity: whose.
            channel_id: only on this channel; None: on every one.
            filter_: see `of_channel`; the others likewise.

        Raises:
            Refusal: unavailable; bad_request, the position is of another list.
        """
        return await self._page(_list_of_giver(identity, channel_id, filter_), sort, position, limit)

    def all_of_channel(
        self, channel_id: UUID, filter_: TransactionFilter, sort: TransactionSort = TransactionSort.NEWEST
    ) -> "AsyncIterator[Sequence[ListedTransaction]]":
        """Every transaction of a channel that the filter leaves, in batches.

        Every row that was there at the beginning comes once. What is written meanwhile may be missing, and what is
        written after the beginning never comes, so there is an end.

        Raises:
            Refusal: unavailable, at any batch.
        """
        return self._batches(lambda until: _list_of_channel(channel_id, replace(filter_, until=until)), sort)

    def all_of_giver(
        self,
        identity: Identity,
        channel_id: UUID | None,
        filter_: TransactionFilter,
        sort: TransactionSort = TransactionSort.NEWEST,
    ) -> "AsyncIterator[Sequence[ListedTransaction]]":
        """As `all_of_channel`, of somebody's own transactions."""
        return self._batches(lambda until: _list_of_giver(identity, channel_id, replace(filter_, until=until)), sort)

    async def _page(
        self, list_: _List, sort: TransactionSort, position: Position | None, limit: int
    ) -> TransactionPage:
        reading = Reading.of(sort, position, limit + 1)
        with outages_refused():
            async with self._engine.connect() as connection:
                totals = await _read_totals(connection, list_)
                rows = await _read_rows(connection, list_, reading, sum(total.transactions for total in totals))
        return TransactionPage(page_of(rows, position, limit, _place), totals)

    async def _batches(
        self, list_until: Callable[[datetime], _List], sort: TransactionSort
    ) -> AsyncIterator[Sequence[ListedTransaction]]:
        with outages_refused():
            async with self._engine.connect() as connection:
                now = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
                list_ = list_until(now)
                rows_in_range = sum(total.transactions for total in await _read_totals(connection, list_))
        position: Position | None = None
        while True:
            reading = Reading.of(sort, position, self._batch_rows + 1)
            with outages_refused():
                async with self._engine.connect() as connection:
                    rows = await _read_rows(connection, list_, reading, rows_in_range)
            page = page_of(rows, position, self._batch_rows, _place)
            yield page.items
            if page.next is None:
                return
            position = page.next


def _list_of_channel(channel_id: UUID, filter_: TransactionFilter) -> _List:
    days, total = filter_.days, transaction_total
    within = [total.c.channel_id == channel_id, total.c.type.in_(filter_.types)]
    if days.first is not None:
        within.append(total.c.day >= days.first)
    if days.last is not None:
        within.append(total.c.day <= days.last)
    sums = (func.sum(total.c.transactions), func.sum(total.c.amount_cents), func.sum(total.c.credits))
    return _List(
        lambda reading, rows: keys_of_channel(channel_id, filter_, reading, rows_in_range=rows),
        _totals(total.c.type, sums).where(*within).group_by(total.c.type),
        filter_.types,
    )


def _list_of_giver(identity: Identity, channel_id: UUID | None, filter_: TransactionFilter) -> _List:
    owned = owned_by(identity)
    if channel_id is not None:
        owned = and_(owned, transaction.c.channel_id == channel_id)
    sums = (func.count(), func.sum(transaction.c.amount_cents), func.sum(transaction.c.credits))
    return _List(
        lambda reading, _: keys_of_giver(owned, filter_, reading),
        _totals(transaction.c.type, sums).where(owned, *filter_.conditions).group_by(transaction.c.type),
        filter_.types,
    )


def owned_by(identity: Identity) -> ColumnElement[bool]:
    """`Identity.owns` in SQL. A claimed session has no unclaimed rows, so a user's id finds all of theirs."""
    if identity.user_id is not None:
        return transaction.c.user_id == identity.user_id
    return and_(transaction.c.session_id == identity.session_id, transaction.c.user_id.is_(None))


def _totals(type_: ColumnElement[str], sums: Sequence[ColumnElement[Any]]) -> Select[Any]:
    names = ("transactions", "amount_cents", "credits")
    labelled = [cast(one, BigInteger).label(name) for one, name in zip(sums, names, strict=True)]
    columns: list[ColumnElement[Any]] = [type_, *labelled]
    return select(*columns)


async def _read_totals(connection: AsyncConnection, list_: _List) -> list[TypeTotal]:
    """One for each type of the list, if it has rows or not."""
    found = {row.type: row for row in await connection.execute(list_.totals)}
    return [
        TypeTotal(type_, row.transactions, row.amount_cents, row.credits)
        if (row := found.get(type_))
        else TypeTotal(type_, 0, 0, 0)
        for type_ in list_.types
    ]


async def _read_rows(
    connection: AsyncConnection, list_: _List, reading: Reading, rows_in_range: int
) -> list[ListedTransaction]:
    statement = dressed(list_.keys(reading, rows_in_range), reading)
    return [_listed(row) for row in await connection.execute(statement)]


def dressed(keys: Select[Any], reading: Reading) -> Select[Any]:
    """The rows of these keys with all that is shown, in the order of the reading."""
    key = keys.subquery("key")
    columns = (
        (key.c.amount_cents, key.c.created_at, key.c.id) if reading.sort.by_amount else (key.c.created_at, key.c.id)
    )
    name = case((transaction.c.user_id.is_(None), contribution.c.display_name), else_=user.c.username)
    return (
        select(
            transaction.c.id,
            transaction.c.type,
            transaction.c.status,
            transaction.c.amount_cents,
            transaction.c.currency,
            transaction.c.credits,
            transaction.c.description,
            transaction.c.created_at,
            transaction.c.reverses_id,
            name.label("name"),
            transaction.c.contribution_id,
            transaction.c.channel_id,
            channel.c.name.label("channel_name"),
            channel.c.title.label("channel_title"),
        )
        .select_from(key)
        .join(transaction, transaction.c.id == key.c.id)
        .join(channel, channel.c.id == transaction.c.channel_id)
        .join(contribution, contribution.c.id == transaction.c.contribution_id)
        .outerjoin(user, user.c.id == transaction.c.user_id)
        .order_by(*(column.desc() if reading.falling else column.asc() for column in columns))
    )


def _listed(row: Row[Any]) -> ListedTransaction:
    values = {field: getattr(row, field) for field in ListedTransaction.__slots__}
    values["type"], values["status"] = TransactionType(values["type"]), TransactionStatus(values["status"])
    return ListedTransaction(**values)


def _place(row: ListedTransaction, backwards: bool) -> Position:
    return Key(row.amount_cents, row.created_at, row.id).at(backwards=backwards)
