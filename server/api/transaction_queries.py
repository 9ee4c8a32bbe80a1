"""What lists of transactions are asked with."""

from datetime import date
from typing import Annotated

import msgspec

from server.api.queries import CursorText, PageLimit
from server.domain.days import Days
from server.domain.pages import PAGE_ITEMS_DEFAULT
from server.domain.transactions import TransactionType
from server.ledger.transaction_keys import TransactionFilter, TransactionSort

Day = Annotated[date, msgspec.Meta(examples=["2026-11-28"])]


class TransactionFilterQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is left of a list of transactions, and how it is sorted.

    Attributes:
        type: only transactions of this one; without it, of both.
        from_: the first day, in UTC; without it, from the beginning.
        to: the last day, in UTC and itself included; without it, to the end. Not before `from`.
        sort: a minus means descending; between equal amounts the time decides, in the same direction.
    """

    type: TransactionType | None = None
    from_: Day | None = msgspec.field(default=None, name="from")
    to: Day | None = None
    sort: TransactionSort = TransactionSort.NEWEST

    @property
    def filter(self) -> TransactionFilter:
        """What is asked for.

        Raises:
            Refusal: bad_request, the days end before they begin.
        """
        return TransactionFilter(self.type, Days(self.from_, self.to))

    @property
    def words(self) -> tuple[str | None, ...]:
        """What makes a list this one, for the names of cursors."""
        return self.sort, self.type, *(None if day is None else day.isoformat() for day in (self.from_, self.to))


class TransactionsQuery(TransactionFilterQuery, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What `GET /api/channels/{name}/transactions` takes.

    Attributes:
        limit: how many items at most.
        cursor: a `nextCursor` or `prevCursor` of the same list; without it, the beginning.
    """

    limit: PageLimit = PAGE_ITEMS_DEFAULT
    cursor: CursorText | None = None


class OwnTransactionFilterQuery(
    TransactionFilterQuery, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """What is left of one's own transactions, and how they are sorted.

    Attributes:
        channel: only on this one, by id or handle; without it, on every one.
    """

    channel: Annotated[str, msgspec.Meta(max_length=64)] | None = None


class OwnTransactionsQuery(
    OwnTransactionFilterQuery, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """What `GET /api/me/transactions` takes.

    Attributes:
        limit: how many items at most.
        cursor: a `nextCursor` or `prevCursor` of the same list; without it, the beginning.
    """

    limit: PageLimit = PAGE_ITEMS_DEFAULT
    cursor: CursorText | None = None
