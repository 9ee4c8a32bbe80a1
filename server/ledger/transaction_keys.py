"""Which transactions a page of a list holds: statements that an index answers at any depth, with any filter.

A list is sorted by (created_at, id) or by (amount_cents, created_at, id). The first is what the indexes of a channel
and of a user are sorted by, so a page is one short walk. The second needs care, because many amounts are equal and
because days say nothing about amounts:

- Behind a place there are the later rows of the same amount, and those of other amounts. Each is a walk of its own
  over (channel, type, amount, created_at, id), a row comparison over all of it would have to be filtered.
- With a range of days, the walk jumps from one amount to the next one (a skip scan, PostgreSQL 18), reading in each
  only those days. When few rows are in the range, they are read by their time and sorted instead: there may be more
  amounts to jump over than rows.

`docs/decisions/0026-lists-at-any-depth.md` has the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    Select,
    Uuid,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from server.domain.days import EVERY_DAY, Days
from server.domain.errors import Code, Refusal
from server.domain.pages import Position
from server.domain.transactions import TransactionType
from server.storage.tables.contributions import transaction

SORTED_ROWS_MAX: Final = 2_000
"""Of so few rows in a range of days a page by amount is sorted; of more it is walked to."""


class TransactionSort(StrEnum):
    """How a list of transactions is sorted; a minus means descending."""

    OLDEST = "createdAt"
    NEWEST = "-createdAt"
    SMALLEST = "amount"
    LARGEST = "-amount"

    @property
    def by_amount(self) -> bool:
        """Whether amounts decide; the time decides between equal ones, in the same direction."""
        return self in {TransactionSort.SMALLEST, TransactionSort.LARGEST}

    @property
    def is_descending(self) -> bool:
        """The direction."""
        return self.startswith("-")


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """What is left of a list.

    Attributes:
        type: only of this one; None: of both.
        days: only of these.
        until: only what was written at or before this moment; None: no such bound.
    """

    type: TransactionType | None = None
    days: Days = EVERY_DAY
    until: datetime | None = None

    @property
    def types(self) -> tuple[TransactionType, ...]:
        """The types that are left."""
        return tuple(TransactionType) if self.type is None else (self.type,)

    @property
    def has_days(self) -> bool:
        """Whether only some days are left."""
        return self.days.first is not None or self.days.last is not None

    @property
    def type_condition(self) -> list[ColumnElement[bool]]:
        """The type as a condition of a row; none, when both are left."""
        return [] if self.type is None else [transaction.c.type == self.type]

    @property
    def lower(self) -> list[ColumnElement[bool]]:
        """What bounds the time from below, as conditions of a row."""
        begin = self.days.begin
        return [] if begin is None else [transaction.c.created_at >= begin]

    @property
    def upper(self) -> list[ColumnElement[bool]]:
        """What bounds the time from above."""
        written, end = transaction.c.created_at, self.days.end
        bounds = [] if end is None else [written < end]
        return bounds if self.until is None else [*bounds, written <= self.until]

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        """Everything as conditions of a row."""
        return [*self.type_condition, *self.lower, *self.upper]


@dataclass(frozen=True, slots=True)
class Key:
    """Where a row stands in a list, whatever it is sorted by."""

    amount_cents: int
    created_at: datetime
    id: UUID

    @property
    def values(self) -> tuple[ColumnElement[Any], ...]:
        """The same in SQL."""
        time = literal(self.created_at, DateTime(timezone=True))
        return literal(self.amount_cents, BigInteger), time, literal(self.id, Uuid())

    def at(self, *, backwards: bool) -> Position:
        """As a place of a page."""
        return Position(f"{self.amount_cents} {self.created_at.isoformat()}", str(self.id), backwards)

    @classmethod
    def of(cls, position: Position) -> "Key":
        """What `at` has written.

        Raises:
            Refusal: bad_request, it is a place of another list.
        """
        cents, _, time = position.sort_value.partition(" ")
        try:
            return cls(int(cents), datetime.fromisoformat(time), UUID(position.row_id))
        except ValueError as error:
            raise Refusal(Code.BAD_REQUEST, "The cursor does not belong to this list.") from error


@dataclass(frozen=True, slots=True)
class Reading:
    """One page to read.

    Attributes:
        falling: whether rows are read from the greatest on: the sort's direction, or against it.
        key: the row beside which the page begins; None: the beginning of the list.
        limit: rows at most.
    """

    sort: TransactionSort
    falling: bool
    key: Key | None
    limit: int

    @classmethod
    def of(cls, sort: TransactionSort, position: Position | None, limit: int) -> "Reading":
        """The page at this place.

        Raises:
            Refusal: bad_request, it is a place of another list.
        """
        if position is None:
            return cls(sort, sort.is_descending, None, limit)
        return cls(sort, sort.is_descending != position.backwards, Key.of(position), limit)


Conditions: TypeAlias = Sequence[ColumnElement[bool]]
Columns: TypeAlias = ReadOnlyColumnCollection[str, Any]

_KEYS: Final[Select[Any]] = select(transaction.c.amount_cents, transaction.c.created_at, transaction.c.id)


def keys_of_channel(
    channel_id: UUID, filter_: TransactionFilter, reading: Reading, *, rows_in_range: int
) -> Select[Any]:
    """The keys of a page of a channel's transactions, in the order of the reading.

    Args:
        channel_id: whose list.
        filter_: what is left of it.
        reading: which page.
        rows_in_range: how many rows the filter leaves; what is read does not depend on it, only the way there.

    Returns:
        A statement of the columns ``amount_cents``, ``created_at`` and ``id``.
    """
    of_channel = transaction.c.channel_id == channel_id
    if not reading.sort.by_amount:
        return _walk(reading, [of_channel, *filter_.type_condition], filter_)
    if filter_.has_days and rows_in_range <= SORTED_ROWS_MAX:
        in_range = _KEYS.where(of_channel, *filter_.conditions).cte("in_range")
        return _of_few(in_range.prefix_with("MATERIALIZED"), reading)
    walks = [_amount_walks(reading, [of_channel, transaction.c.type == type_], filter_) for type_ in filter_.types]
    return _merged([*chain.from_iterable(walks)], reading)


def keys_of_giver(owned: ColumnElement[bool], filter_: TransactionFilter, reading: Reading) -> Select[Any]:
    """As `keys_of_channel`, of the rows that fulfil `owned`: those of one user or session, few enough to be sorted."""
    return _walk(reading, [owned, *filter_.type_condition], filter_)


def _walk(reading: Reading, conditions: Conditions, filter_: TransactionFilter) -> Select[Any]:
    """The rows beside the reading's key, in its order."""
    within = (*filter_.lower, *filter_.upper) if reading.sort.by_amount else _left_by_key(filter_, reading)
    statement = _KEYS.where(*conditions, *within)
    return _in_order(_beyond(statement, transaction.c, reading), transaction.c, reading)


def _amount_walks(reading: Reading, conditions: Conditions, filter_: TransactionFilter) -> list[Select[Any]]:
    """Walks over one type's index by amount that have the page between them."""
    key, amount = reading.key, transaction.c.amount_cents
    if key is None:
        return [_walk(reading, conditions, filter_)]
    same, time, id_ = amount == key.amount_cents, transaction.c.created_at, transaction.c.id
    later = _compared((time, id_), key.values[1:], falling=reading.falling)
    other = amount < key.amount_cents if reading.falling else amount > key.amount_cents
    parts = (
        (*conditions, same, later, *_left_by_key(filter_, reading)),
        (*conditions, other, *filter_.lower, *filter_.upper),
    )
    return [_in_order(_KEYS.where(*part), transaction.c, reading) for part in parts]


def _left_by_key(filter_: TransactionFilter, reading: Reading) -> list[ColumnElement[bool]]:
    """The bounds of the time that are no part of "beyond the key". The key is a row of the list, so of those that lie
    in the direction it comes from it is the nearer one; given both, an index walks from the farther one to the key."""
    if reading.key is None:
        return [*filter_.lower, *filter_.upper]
    return filter_.lower if reading.falling else filter_.upper


def _of_few(in_range: CTE, reading: Reading) -> Select[Any]:
    """A page of rows that are few enough to be sorted."""
    return _in_order(_beyond(select(in_range), in_range.c, reading), in_range.c, reading)


def _merged(walks: Sequence[Select[Any]], reading: Reading) -> Select[Any]:
    """The first of what several walks have found."""
    found = union_all(*(select(walk.subquery()) for walk in walks)).subquery()
    return _in_order(select(found), found.c, reading)


def _beyond(statement: Select[Any], columns: Columns, reading: Reading) -> Select[Any]:
    """Only what comes after the reading's key."""
    if reading.key is None:
        return statement
    values = reading.key.values if reading.sort.by_amount else reading.key.values[1:]
    return statement.where(_compared(_sorted_by(columns, reading), values, falling=reading.falling))


def _in_order(statement: Select[Any], columns: Columns, reading: Reading) -> Select[Any]:
    order = [column.desc() if reading.falling else column.asc() for column in _sorted_by(columns, reading)]
    return statement.order_by(*order).limit(reading.limit)


def _sorted_by(columns: Columns, reading: Reading) -> tuple[ColumnElement[Any], ...]:
    by_time = (columns.created_at, columns.id)
    return (columns.amount_cents, *by_time) if reading.sort.by_amount else by_time


def _compared(
    columns: Sequence[ColumnElement[Any]], values: Sequence[ColumnElement[Any]], *, falling: bool
) -> ColumnElement[bool]:
    here, there = tuple_(*columns), tuple_(*values)
    return here < there if falling else here > there
