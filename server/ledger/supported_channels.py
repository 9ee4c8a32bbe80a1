"""What somebody gave, channel by channel, from the rows that are kept with each transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Row, cast, func, select

from server.domain.identity import Identity
from server.domain.pages import Page, Position
from server.domain.transactions import TransactionType
from server.ledger.transactions import TypeTotal
from server.storage.keyset import fetch_page, order_by_time
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres
from server.storage.tables.channels import channel
from server.storage.tables.totals import contributor


@dataclass(frozen=True, slots=True)
class SupportedChannel:
    """A channel, and what one giver's transactions on it come to.

    Attributes:
        totals: one for each type.
        latest_at: when the newest of them was written.
    """

    channel_id: UUID
    channel_name: str
    channel_title: str
    totals: Sequence[TypeTotal]
    latest_at: datetime


@dataclass(frozen=True, slots=True)
class SupportedPage:
    """A part of one's channels, and what all of them come to."""

    page: Page[SupportedChannel]
    totals: Sequence[TypeTotal]


_ORDER: Final = order_by_time(contributor.c.latest_at, contributor.c.latest_id, descending=True)
_SUMS: Final = (
    contributor.c.activations,
    contributor.c.activation_cents,
    contributor.c.purchases,
    contributor.c.purchase_cents,
    contributor.c.credits,
)


async def supported_channels(
    postgres: Postgres, identity: Identity, position: Position | None = None, *, limit: int
) -> SupportedPage:
    """A page of the channels that somebody gave to, the latest first.

    Args:
        postgres: only read from.
        identity: a user, or a visitor's session that nobody has claimed.
        position: None means the beginning.
        limit: channels at most.

    Raises:
        Refusal: unavailable; bad_request, the position is of another list.
    """
    given = contributor.c.giver_id == (identity.user_id or identity.session_id)
    statement = (
        select(
            contributor.c.channel_id,
            channel.c.name.label("channel_name"),
            channel.c.title.label("channel_title"),
            contributor.c.latest_at,
            *_SUMS,
        )
        .join(channel, channel.c.id == contributor.c.channel_id)
        .where(given)
    )
    sums: list[ColumnElement[Any]] = [
        cast(func.coalesce(func.sum(one), 0), BigInteger).label(one.name) for one in _SUMS
    ]
    with outages_refused():
        async with postgres.snapshots.connect() as connection:
            page = await fetch_page(connection, statement, _ORDER, position, limit)
            totals = _totals_of((await connection.execute(select(*sums).where(given))).one())
    return SupportedPage(Page([_supported_of(row) for row in page.items], page.next, page.previous), totals)


def _supported_of(row: Row[Any]) -> SupportedChannel:
    return SupportedChannel(row.channel_id, row.channel_name, row.channel_title, _totals_of(row), row.latest_at)


def _totals_of(row: Row[Any]) -> list[TypeTotal]:
    return [
        TypeTotal(TransactionType.ACTIVATION, row.activations, row.activation_cents, 0),
        TypeTotal(TransactionType.CREDIT_PURCHASE, row.purchases, row.purchase_cents, row.credits),
    ]
