"""Transactions over REST: a channel's for everybody, one's own for their giver, and what they come to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from server.api.channels import ChannelEndpoints
from server.api.cursors import Cursors, list_name_of
from server.api.operations import Answer, Operation, described
from server.api.paths import ChannelPath
from server.api.queries import json_answer, read_query
from server.api.transaction_queries import TransactionsQuery
from server.domain.errors import Code
from server.domain.rates import Action
from server.domain.transactions import TransactionStatus, TransactionType
from server.ledger.transactions import ListedTransaction, TransactionPage, Transactions, TypeTotal


class TransactionAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A transaction, without who made it.

    Attributes:
        id: its id.
        type: ACTIVATION: it moved the channel's funding; CREDIT_PURCHASE: its credits.
        status: SETTLED: money came; REVERSAL: it went back, by a row of its own.
        amount: in US cents; negative on a reversal.
        currency: always USD.
        credits: that it bought; negative on a reversal, 0 on an activation.
        name: what the giver is called in public; null: an anonymous supporter.
        description: for people; plain text.
        reverses_id: the transaction that this one takes back; null: it is no reversal.
        created_at: when it was written.
    """

    id: UUID
    type: TransactionType
    status: TransactionStatus
    amount: int
    currency: str
    credits: int
    name: str | None
    description: str
    reverses_id: UUID | None
    created_at: datetime


class TypeTotalAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """What the transactions of one type come to.

    Attributes:
        type: which ones.
        count: how many there are, reversals among them.
        amount: their sum in US cents, less what was reversed.
        credits: their sum, less what was reversed.
    """

    type: TransactionType
    count: int
    amount: int
    credits: int


class TransactionList(msgspec.Struct, frozen=True, rename="camel"):
    """A page of a channel's transactions.

    Attributes:
        items: in the order that `sort` asked for.
        next_cursor: the `cursor` of the following page; null: this is the last one.
        prev_cursor: the `cursor` of the page before; null: this is the first one.
        totals: of all that the filters leave, not only of this page; one for each type that they leave.
    """

    items: list[TransactionAnswer]
    next_cursor: str | None
    prev_cursor: str | None
    totals: list[TypeTotalAnswer]


class TransactionEndpoints:
    """`/api/channels/{name}/transactions`."""

    def __init__(self, transactions: Transactions, channels: ChannelEndpoints, cursors: Cursors) -> None:
        self._transactions = transactions
        self._channels = channels
        self._cursors = cursors

    @described(
        Operation(
            "Transactions",
            {200: Answer(shape=TransactionList)},
            path=ChannelPath,
            query=TransactionsQuery,
            refusals=(Code.NOT_FOUND, Code.UNAVAILABLE),
            counts_as=Action.LISTS,
        )
    )
    async def list_channel_transactions(self, request: Request) -> Response:
        """`GET /api/channels/{name}/transactions`: a page of a channel's transactions, and what all of them come to.

        Every transaction that was there when a walk through the pages began comes once on it, whatever is written
        meanwhile; sorted by time, so does every one that is written before the walk's last page.
        """
        query = read_query(request, TransactionsQuery)
        channel = await self._channels.find(request)
        found, following, previous = await self.page(channel.id, query)
        items = [TransactionAnswer(**figures_of(row)) for row in found.page.items]
        return json_answer(TransactionList(items, following, previous, totals_of(found.totals)))

    async def page(self, channel_id: UUID, query: TransactionsQuery) -> tuple[TransactionPage, str | None, str | None]:
        """What the list answers, with the cursors of the pages beside it; None at that end of the list.

        Raises:
            Refusal: bad_request, the cursor is of another list; unavailable.
        """
        list_name = list_name_of("transactions", str(channel_id), *query.words)
        found = await self._transactions.of_channel(
            channel_id, query.filter, query.sort, self._cursors.open(list_name, query.cursor), limit=query.limit
        )
        following = self._cursors.seal(list_name, found.page.next)
        return found, following, self._cursors.seal(list_name, found.page.previous)


def figures_of(row: ListedTransaction) -> dict[str, Any]:
    """The fields of a `TransactionAnswer`."""
    renamed = {"amount": "amount_cents"}
    return {field: getattr(row, renamed.get(field, field)) for field in TransactionAnswer.__struct_fields__}


def totals_of(totals: Sequence[TypeTotal]) -> list[TypeTotalAnswer]:
    """The same for the wire."""
    return [TypeTotalAnswer(one.type, one.transactions, one.amount_cents, one.credits) for one in totals]
