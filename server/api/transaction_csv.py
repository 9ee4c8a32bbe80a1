"""Transactions as CSV: all that the filters leave, in the order of the list."""

from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from server.api.channels import ChannelEndpoints
from server.api.csv_downloads import Batches, CsvDownload
from server.api.csv_text import Cell
from server.api.downloads import Downloads
from server.api.operations import CSV, Answer, Operation, described
from server.api.own_transactions import OwnTransactionEndpoints
from server.api.paths import ChannelPath
from server.api.queries import read_query
from server.api.transaction_queries import OwnTransactionFilterQuery, TransactionFilterQuery
from server.auth.callers import Callers
from server.domain.errors import Code
from server.domain.rates import Action
from server.ledger.transactions import ListedTransaction, Transactions

_FILE: Final = Answer("The file, UTF-8 with a line of names; `amountUsd` is in dollars.", media_type=CSV)


class TransactionCsvEndpoints:
    """`/api/channels/{name}/transactions.csv` and `/api/me/transactions.csv`."""

    def __init__(
        self,
        transactions: Transactions,
        channels: ChannelEndpoints,
        own: OwnTransactionEndpoints,
        callers: Callers,
        downloads: Downloads,
    ) -> None:
        self._transactions = transactions
        self._channels = channels
        self._own = own
        self._callers = callers
        self._downloads = downloads

    @described(
        Operation(
            "Transactions",
            {200: _FILE},
            path=ChannelPath,
            query=TransactionFilterQuery,
            refusals=(Code.NOT_FOUND, Code.OVERLOADED, Code.UNAVAILABLE),
            counts_as=Action.DOWNLOADS,
        )
    )
    async def download_channel_transactions(self, request: Request) -> Response:
        """`GET /api/channels/{name}/transactions.csv`: every transaction of a channel that the filters leave.

        Each one that was there when the file began stands in it once; one that is written meanwhile may not. A file
        without its end is cut off.
        """
        query = read_query(request, TransactionFilterQuery)
        filter_ = query.filter
        channel = await self._channels.find(request)

        def batches() -> AsyncIterator[Sequence[Sequence[Cell]]]:
            return _rows(self._transactions.all_of_channel(channel.id, filter_, query.sort), _PUBLIC)

        return self._download(f"{channel.name}-transactions.csv", _PUBLIC, batches)

    @described(
        Operation(
            "Transactions",
            {200: _FILE},
            query=OwnTransactionFilterQuery,
            refusals=(Code.NOT_FOUND, Code.OVERLOADED, Code.UNAVAILABLE),
            is_personal=True,
            counts_as=Action.DOWNLOADS,
        )
    )
    async def download_own_transactions(self, request: Request) -> Response:
        """`GET /api/me/transactions.csv`: every transaction of the caller's that the filters leave.

        Each one that was there when the file began stands in it once; one that is written meanwhile may not. A file
        without its end is cut off.
        """
        identity = await self._callers.require(request)
        query = read_query(request, OwnTransactionFilterQuery)
        filter_, channel_id = query.filter, await self._own.channel_id(query)

        def batches() -> AsyncIterator[Sequence[Sequence[Cell]]]:
            return _rows(self._transactions.all_of_giver(identity, channel_id, filter_, query.sort), _OWN)

        return self._download("my-transactions.csv", _OWN, batches)

    def _download(self, file_name: str, columns: Mapping[str, str], batches: Batches) -> Response:
        return CsvDownload(self._downloads, file_name, list(columns), batches)


_PUBLIC: Final[Mapping[str, str]] = {
    "id": "id",
    "createdAt": "created_at",
    "type": "type",
    "status": "status",
    "name": "name",
    "amountUsd": "amount_cents",
    "credits": "credits",
    "description": "description",
    "reversesId": "reverses_id",
}
"""The columns, and what of a `ListedTransaction` is in them."""

_OWN: Final[Mapping[str, str]] = {
    "id": "id",
    "createdAt": "created_at",
    "channel": "channel_name",
    **{name: field for name, field in _PUBLIC.items() if name not in {"id", "createdAt"}},
    "contributionId": "contribution_id",
}


async def _rows(
    batches: AsyncIterator[Sequence[ListedTransaction]], columns: Mapping[str, str]
) -> AsyncIterator[Sequence[Sequence[Cell]]]:
    async for batch in batches:
        yield [[_cell(row, field) for field in columns.values()] for row in batch]


def _cell(row: ListedTransaction, field: str) -> Cell:
    if field == "amount_cents":
        return Decimal(row.amount_cents).scaleb(-2)
    value: Cell = getattr(row, field)
    return value
