"""Who pays for a channel: what each gave to activation and what they bought in credits, the latest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from server.domain.givers import Giver
from server.domain.pages import Page, Position
from server.storage.keyset import fetch_page, order_by_time
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres
from server.storage.tables.contributions import contribution
from server.storage.tables.people import user
from server.storage.tables.totals import contributor

CONTRIBUTORS_SHOWN_MAX: Final = 20
"""Of a channel's page; the others are on the pages of the list."""


@dataclass(frozen=True, slots=True)
class Contributor:
    """One person, or one visitor's session.

    Attributes:
        name: what they chose to be called; None means an anonymous supporter.
        activations: their transactions, reversals among them; so with `purchases`.
        activation_cents: given to activation, without what was reversed.
        purchase_cents: paid for credits, without what was reversed.
        credits: bought, without what was reversed.
        latest_at: when their newest transaction was written.
        giver_id: the user or the session; not for the public.
        user_id: None: a session.
    """

    name: str | None
    activations: int
    activation_cents: int
    purchases: int
    purchase_cents: int
    credits: int
    latest_at: datetime
    giver_id: UUID
    user_id: UUID | None

    @property
    def giver(self) -> Giver:
        """Whom their badges belong to."""
        return Giver.of(self.user_id, self.giver_id)


_ORDER: Final = order_by_time(contributor.c.latest_at, contributor.c.latest_id, descending=True)

_COUNT_ACTIVATION: Final = """
SELECT count(*) FROM (
    SELECT 1 FROM "transaction" WHERE channel_id = $1 AND type = 'ACTIVATION'
     GROUP BY coalesce(user_id, session_id) HAVING sum(amount_cents) > 0
) person
"""


async def latest_contributors(postgres: Postgres, channel_id: UUID) -> list[Contributor]:
    """The channel's latest contributors, newest first; one whose contributions were all reversed is none.

    Raises:
        Refusal: unavailable.
    """
    page = await contributors_page(postgres, channel_id, None, limit=CONTRIBUTORS_SHOWN_MAX)
    return list(page.items)


async def contributors_page(
    postgres: Postgres, channel_id: UUID, position: Position | None, *, limit: int
) -> Page[Contributor]:
    """A page of the channel's contributors, the latest first. Who gives again comes to the beginning of the list.

    Args:
        postgres: only read from.
        channel_id: whose.
        position: None means the beginning.
        limit: contributors at most.

    Raises:
        Refusal: unavailable; bad_request, the position is of another list.
    """
    with outages_refused():
        async with postgres.engine.connect() as connection:
            page = await fetch_page(connection, _contributors_of(channel_id), _ORDER, position, limit)
            names = await _names_of(connection, channel_id, page.items)
    return Page([_contributor_of(row, names) for row in page.items], page.next, page.previous)


async def count_activation_contributors(postgres: Postgres, channel_id: UUID) -> int:
    """How many people gave to the channel's activation; one whose gifts were all reversed is none.

    The goal bounds how many rows are looked at.

    Raises:
        Refusal: unavailable.
    """
    with outages_refused():
        count = await postgres.pool.fetchval(_COUNT_ACTIVATION, channel_id)
    return int(count)


def _contributors_of(channel_id: UUID) -> Select[Any]:
    return select(
        contributor.c.activations,
        contributor.c.activation_cents,
        contributor.c.purchases,
        contributor.c.purchase_cents,
        contributor.c.credits,
        contributor.c.latest_at,
        contributor.c.giver_id,
        contributor.c.user_id,
    ).where(
        contributor.c.channel_id == channel_id,
        or_(contributor.c.activation_cents > 0, contributor.c.purchase_cents > 0),
    )


async def _names_of(
    connection: AsyncConnection, channel_id: UUID, rows: Sequence[Row[Any]]
) -> Mapping[UUID, str | None]:
    """Names of the users and sessions of these rows; a visitor is called as in the latest contribution with a name."""
    users = [row.user_id for row in rows if row.user_id is not None]
    usernames = select(user.c.id, user.c.username).where(user.c.id.in_(users))
    called = (
        select(contribution.c.session_id, contribution.c.display_name)
        .ext(distinct_on(contribution.c.session_id))
        .where(
            contribution.c.session_id.in_([row.giver_id for row in rows if row.user_id is None]),
            contribution.c.user_id.is_(None),
            contribution.c.channel_id == channel_id,
            contribution.c.display_name.is_not(None),
            contribution.c.settled_at.is_not(None),
        )
        .order_by(contribution.c.session_id, contribution.c.settled_at.desc(), contribution.c.id.desc())
    )
    found = [tuple(row) for statement in (usernames, called) for row in await connection.execute(statement)]
    return dict(found)


def _contributor_of(row: Row[Any], names: Mapping[UUID, str | None]) -> Contributor:
    figures = {field: getattr(row, field) for field in Contributor.__slots__ if field != "name"}
    return Contributor(name=names.get(row.giver_id), **figures)
