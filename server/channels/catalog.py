"""The channels: found by id or handle, listed with filters, always as Postgres has them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from asyncpg import Record
from sqlalchemy import Row, select

from server.channels.handles import as_id, is_handle
from server.domain.channels import ChannelStatus
from server.domain.pages import Page, Position
from server.storage.keyset import Order, fetch_page, order_by_time
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres
from server.storage.tables.channels import channel


@dataclass(frozen=True, slots=True)
class Channel:
    """What everybody may know of a channel.

    Attributes:
        name: the handle in the address.
        image: a path on this server; None means that there is none.
        subscriber_count: as YouTube says; None means unknown, which is not 0. The next two likewise.
        activated_at: when the goal was reached; None until then.
        model: the model of its own; None means the one of the configuration.
        embed_origins: whose pages may show its chat, as browsers write origins.
    """

    id: UUID
    name: str
    title: str
    description: str
    image: str | None
    subscriber_count: int | None
    video_count: int | None
    view_count: int | None
    status: ChannelStatus
    activation_funding_cents: int
    activation_goal_cents: int
    credit_balance: int
    activated_at: datetime | None
    created_at: datetime
    model: str | None
    embed_origins: list[str]


class ChannelSort(StrEnum):
    """How a list of channels is sorted; a minus means descending."""

    TITLE = "title"
    TITLE_DESCENDING = "-title"
    OLDEST = "createdAt"
    NEWEST = "-createdAt"


_COLUMNS: Final = (
    channel.c.id,
    channel.c.name,
    channel.c.title,
    channel.c.description,
    channel.c.image,
    channel.c.subscriber_count,
    channel.c.video_count,
    channel.c.view_count,
    channel.c.status,
    channel.c.activation_funding_cents,
    channel.c.activation_goal_cents,
    channel.c.credit_balance,
    channel.c.activated_at,
    channel.c.created_at,
    channel.c.model,
    channel.c.embed_origins,
)

_FIND: Final = f"SELECT {', '.join(column.name for column in _COLUMNS)} FROM channel WHERE "  # noqa: S608 - no input

_ORDERS: Final = {
    ChannelSort.TITLE: Order(channel.c.title, channel.c.id),
    ChannelSort.TITLE_DESCENDING: Order(channel.c.title, channel.c.id, descending=True),
    ChannelSort.OLDEST: order_by_time(channel.c.created_at, channel.c.id, descending=False),
    ChannelSort.NEWEST: order_by_time(channel.c.created_at, channel.c.id, descending=True),
}


class Catalog:
    """Reads channels. It never writes and never asks Redis."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def find(self, id_or_name: str) -> Channel | None:
        """One channel; None when there is none of that id or handle. Handles are found in any case.

        Raises:
            Refusal: unavailable.
        """
        channel_id, name = as_id(id_or_name), id_or_name.lower()
        with outages_refused():
            if channel_id is not None:
                row = await self._postgres.pool.fetchrow(f"{_FIND} id = $1", channel_id)
            elif is_handle(name):
                row = await self._postgres.pool.fetchrow(f"{_FIND} name = $1", name)
            else:
                return None
        return None if row is None else _channel_of(row)

    async def page(
        self,
        *,
        status: ChannelStatus | None = None,
        text: str | None = None,
        sort: ChannelSort = ChannelSort.TITLE,
        position: Position | None = None,
        limit: int,
    ) -> Page[Channel]:
        """A page of the channels that pass both filters.

        Args:
            status: None means every status.
            text: looked for in handle and title, whatever the case; None means no filter.
            sort: how the list is sorted.
            position: None means the beginning.
            limit: channels at most.

        Raises:
            Refusal: unavailable; bad_request, the position is of another sort.
        """
        statement = select(*_COLUMNS)
        if status is not None:
            statement = statement.where(channel.c.status == status)
        if text:
            named = channel.c.name.icontains(text, autoescape=True)
            statement = statement.where(named | channel.c.title.icontains(text, autoescape=True))
        with outages_refused():
            async with self._postgres.engine.connect() as connection:
                page = await fetch_page(connection, statement, _ORDERS[sort], position, limit)
        return Page([_channel_of(row) for row in page.items], page.next, page.previous)


def _channel_of(row: Row[Any] | Record) -> Channel:
    values = dict(row) if isinstance(row, Record) else {column.name: getattr(row, column.name) for column in _COLUMNS}
    return Channel(**{**values, "status": ChannelStatus(values["status"])})
