"""One's own transactions and contributions over REST: a user's on every device, a visitor's in this browser."""

from datetime import datetime
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.cursors import Cursors, list_name_of
from server.api.operations import Answer, Operation, described
from server.api.queries import ListQuery, json_answer, read_query
from server.api.transaction_queries import OwnTransactionFilterQuery, OwnTransactionsQuery
from server.api.transactions import TransactionAnswer, TypeTotalAnswer, figures_of, totals_of
from server.auth.callers import Callers
from server.channels.catalog import Catalog
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.rates import Action
from server.ledger.supported_channels import SupportedChannel, SupportedPage, supported_channels
from server.ledger.transactions import TransactionPage, Transactions
from server.storage.postgres import Postgres


class TransactionChannel(msgspec.Struct, frozen=True, rename="camel"):
    """The channel of a transaction.

    Attributes:
        id: its id.
        name: its handle.
        title: for people.
    """

    id: UUID
    name: str
    title: str


class OwnTransactionAnswer(TransactionAnswer, frozen=True, kw_only=True, rename="camel"):
    """A transaction of the caller's.

    Attributes:
        channel: whose it is.
        contribution_id: the payment that it is a part of.
    """

    channel: TransactionChannel
    contribution_id: UUID


class OwnTransactionList(msgspec.Struct, frozen=True, rename="camel"):
    """A page of the caller's transactions.

    Attributes:
        items: in the order that `sort` asked for.
        next_cursor: the `cursor` of the following page; null: this is the last one.
        prev_cursor: the `cursor` of the page before; null: this is the first one.
        totals: of all that the filters leave, not only of this page; one for each type that they leave.
    """

    items: list[OwnTransactionAnswer]
    next_cursor: str | None
    prev_cursor: str | None
    totals: list[TypeTotalAnswer]


class SupportedChannelAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A channel that the caller gave to.

    Attributes:
        channel: which one.
        totals: what the caller's transactions on it come to, one for each type.
        latest_at: when the newest of them was written.
    """

    channel: TransactionChannel
    totals: list[TypeTotalAnswer]
    latest_at: datetime


class ContributionsByChannel(msgspec.Struct, frozen=True, rename="camel"):
    """A page of the channels that the caller gave to.

    Attributes:
        items: the latest contribution first.
        next_cursor: the `cursor` of the following page; null: this is the last one.
        prev_cursor: the `cursor` of the page before; null: this is the first one.
        totals: on all channels together, one for each type.
    """

    items: list[SupportedChannelAnswer]
    next_cursor: str | None
    prev_cursor: str | None
    totals: list[TypeTotalAnswer]


class OwnTransactionEndpoints:
    """`/api/me/transactions` and `/api/me/contributions`."""

    def __init__(
        self, transactions: Transactions, postgres: Postgres, catalog: Catalog, callers: Callers, cursors: Cursors
    ) -> None:
        self._transactions = transactions
        self._postgres = postgres
        self._catalog = catalog
        self._callers = callers
        self._cursors = cursors

    @described(
        Operation(
            "Transactions",
            {200: Answer(shape=OwnTransactionList)},
            query=OwnTransactionsQuery,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.LISTS,
        )
    )
    async def list_own_transactions(self, request: Request) -> Response:
        """`GET /api/me/transactions`: a page of the caller's transactions, and what all of them come to.

        A user's are those of every device, and those from before the sign-in; a visitor's those of this session.
        """
        identity = await self._callers.require(request)
        found, following, previous = await self.transactions(identity, read_query(request, OwnTransactionsQuery))
        items = [
            OwnTransactionAnswer(
                **figures_of(row),
                channel=TransactionChannel(row.channel_id, row.channel_name, row.channel_title),
                contribution_id=row.contribution_id,
            )
            for row in found.page.items
        ]
        return json_answer(OwnTransactionList(items, following, previous, totals_of(found.totals)))

    @described(
        Operation(
            "Transactions",
            {200: Answer(shape=ContributionsByChannel)},
            query=ListQuery,
            refusals=(Code.UNAVAILABLE,),
            is_personal=True,
            counts_as=Action.LISTS,
        )
    )
    async def list_own_contributions(self, request: Request) -> Response:
        """`GET /api/me/contributions`: what the caller gave, channel by channel, the latest first."""
        identity = await self._callers.require(request)
        found, following, previous = await self.contributions(identity, read_query(request, ListQuery))
        items = [supported_of(one) for one in found.page.items]
        return json_answer(ContributionsByChannel(items, following, previous, totals_of(found.totals)))

    async def transactions(
        self, identity: Identity, query: OwnTransactionsQuery
    ) -> tuple[TransactionPage, str | None, str | None]:
        """What the list answers, with the cursors of the pages beside it; None at that end of the list.

        Raises:
            Refusal: not_found, there is no such channel; bad_request, the cursor is of another list; unavailable.
        """
        list_name = list_name_of("own transactions", _owner(identity), query.channel, *query.words)
        position = self._cursors.open(list_name, query.cursor)
        found = await self._transactions.of_giver(
            identity, await self.channel_id(query), query.filter, query.sort, position, limit=query.limit
        )
        following = self._cursors.seal(list_name, found.page.next)
        return found, following, self._cursors.seal(list_name, found.page.previous)

    async def contributions(self, identity: Identity, query: ListQuery) -> tuple[SupportedPage, str | None, str | None]:
        """As `transactions`, of the channels that somebody gave to.

        Raises:
            Refusal: bad_request, the cursor is of another list; unavailable.
        """
        list_name = list_name_of("own contributions", _owner(identity))
        position = self._cursors.open(list_name, query.cursor)
        found = await supported_channels(self._postgres, identity, position, limit=query.limit)
        following = self._cursors.seal(list_name, found.page.next)
        return found, following, self._cursors.seal(list_name, found.page.previous)

    async def channel_id(self, query: OwnTransactionFilterQuery) -> UUID | None:
        """The channel that is asked for; None: every one.

        Raises:
            Refusal: not_found; unavailable.
        """
        if query.channel is None:
            return None
        channel = await self._catalog.find(query.channel)
        if channel is None:
            raise Refusal(Code.NOT_FOUND, "There is no such channel.")
        return channel.id


def supported_of(one: SupportedChannel) -> SupportedChannelAnswer:
    """A channel that somebody gave to, as the API says it."""
    channel = TransactionChannel(one.channel_id, one.channel_name, one.channel_title)
    return SupportedChannelAnswer(channel, totals_of(one.totals), one.latest_at)


def _owner(identity: Identity) -> str:
    return str(identity.user_id or identity.session_id)
