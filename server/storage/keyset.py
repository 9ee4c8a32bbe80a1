"""Pages of a sorted list read from Postgres, each from where the last one ended (`server.domain.pages`)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Uuid, literal, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from server.domain.errors import Code, Refusal
from server.domain.pages import Page, Position, page_of


@dataclass(frozen=True, slots=True)
class Order:
    """What a list is sorted by.

    Attributes:
        value: never NULL in the list; an index on it and `row_id` makes every page cheap.
        row_id: unique; it decides between equal values, in the same direction.
        descending: the direction of both.
        write: makes text of a value, exactly: `read` gives the value back.
        read: raises ValueError when the text is no value.
    """

    value: ColumnElement[Any]
    row_id: ColumnElement[UUID]
    descending: bool = False
    write: Callable[[Any], str] = str
    read: Callable[[str], Any] = str


def order_by_time(value: ColumnElement[Any], row_id: ColumnElement[UUID], *, descending: bool) -> Order:
    """Sort by a point in time, to Postgres's microsecond."""
    return Order(value, row_id, descending, write=datetime.isoformat, read=datetime.fromisoformat)


async def fetch_page(
    connection: AsyncConnection, statement: Select[Any], order: Order, position: Position | None, limit: int
) -> Page[Row[Any]]:
    """Read one page.

    Args:
        connection: only read from.
        statement: the whole list, unsorted; filters are part of it.
        order: how it is sorted.
        position: None means the beginning.
        limit: rows at most, above 0.

    Raises:
        Refusal: bad_request, the position does not fit this order.
    """
    rows = list(await connection.execute(_read_from(statement, order, position, limit + 1)))
    return page_of(rows, position, limit, partial(_at, order))


def _read_from(statement: Select[Any], order: Order, position: Position | None, limit: int) -> Select[Any]:
    falling = order.descending
    if position is not None:
        falling = order.descending != position.backwards
        here, there = tuple_(order.value, order.row_id), _bound(order, position)
        statement = statement.where(here < there if falling else here > there)
    columns = (order.value, order.row_id)
    return (
        statement.add_columns(order.value.label("sort_value"), order.row_id.label("sort_id"))
        .order_by(*(column.desc() if falling else column.asc() for column in columns))
        .limit(limit)
    )


def _bound(order: Order, position: Position) -> ColumnElement[Any]:
    try:
        value, row_id = order.read(position.sort_value), UUID(position.row_id)
    except ValueError as error:
        raise Refusal(Code.BAD_REQUEST, "The cursor does not belong to this list.") from error
    return tuple_(literal(value, order.value.type), literal(row_id, Uuid()))


def _at(order: Order, row: Row[Any], backwards: bool) -> Position:
    return Position(order.write(row.sort_value), str(row.sort_id), backwards)
