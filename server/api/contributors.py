"""The contributors of a channel over REST."""

from datetime import datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.channels import ChannelEndpoints
from server.api.cursors import Cursors, list_name_of
from server.api.held_badges import BadgeMark, marks_of
from server.api.operations import Answer, Operation, described
from server.api.paths import ChannelPath
from server.api.queries import ListQuery, json_answer, read_query
from server.api.transactions import TypeTotalAnswer
from server.channels.contributors import Contributor, contributors_page
from server.domain.errors import Code
from server.domain.rates import Action
from server.domain.transactions import TransactionType
from server.ledger.badge_lists import BadgeLists
from server.storage.postgres import Postgres


class ContributorAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody who pays for a channel.

    Attributes:
        name: what they are called in public; null: an anonymous supporter.
        totals: what their transactions on the channel come to, one for each type.
        latest_at: when the newest of them was written.
        badges: that they have earned on the channel, or across channels.
    """

    name: str | None
    totals: list[TypeTotalAnswer]
    latest_at: datetime
    badges: list[BadgeMark]


class ContributorList(msgspec.Struct, frozen=True, rename="camel"):
    """A page of a channel's contributors.

    Attributes:
        items: the latest contribution first; nobody whose contributions were all reversed.
        next_cursor: the `cursor` of the following page; null: this is the last one.
        prev_cursor: the `cursor` of the page before; null: this is the first one.
    """

    items: list[ContributorAnswer]
    next_cursor: str | None
    prev_cursor: str | None


class ContributorEndpoints:
    """`/api/channels/{name}/contributors`."""

    def __init__(self, postgres: Postgres, badges: BadgeLists, channels: ChannelEndpoints, cursors: Cursors) -> None:
        self._postgres = postgres
        self._badges = badges
        self._channels = channels
        self._cursors = cursors

    @described(
        Operation(
            "Transactions",
            {200: Answer(shape=ContributorList)},
            path=ChannelPath,
            query=ListQuery,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            counts_as=Action.LISTS,
        )
    )
    async def list_contributors(self, request: Request) -> Response:
        """`GET /api/channels/{name}/contributors`: who pays for a channel, the latest first.

        Whoever gives again comes to the beginning of the list, also while somebody walks through its pages.
        """
        query = read_query(request, ListQuery)
        channel = await self._channels.find(request)
        list_name = list_name_of("contributors", str(channel.id))
        position = self._cursors.open(list_name, query.cursor)
        page = await contributors_page(self._postgres, channel.id, position, limit=query.limit)
        following, previous = self._cursors.seal(list_name, page.next), self._cursors.seal(list_name, page.previous)
        badges = await self._badges.badges_of([one.giver for one in page.items], channel.id)
        items = [_answer_of(one, marks_of(badges.get(one.giver, ()))) for one in page.items]
        return json_answer(ContributorList(items, following, previous))


def _answer_of(one: Contributor, badges: list[BadgeMark]) -> ContributorAnswer:
    totals = [
        TypeTotalAnswer(TransactionType.ACTIVATION, one.activations, one.activation_cents, 0),
        TypeTotalAnswer(TransactionType.CREDIT_PURCHASE, one.purchases, one.purchase_cents, one.credits),
    ]
    return ContributorAnswer(one.name, totals, one.latest_at, badges)
