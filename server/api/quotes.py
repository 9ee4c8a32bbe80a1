"""What a contribution is asked for with, and what it would become."""

from typing import Annotated

import msgspec

from server.domain.display_names import DISPLAY_NAME_CHARACTERS_MAX, DISPLAY_NAME_PATTERN
from server.domain.money import MAX_CONTRIBUTION_CENTS
from server.domain.transactions import TransactionType
from server.ledger.contributing import Quote

_AmountCents = Annotated[int, msgspec.Meta(ge=1, le=MAX_CONTRIBUTION_CENTS, examples=[1_000])]
_DisplayName = Annotated[
    str, msgspec.Meta(max_length=DISPLAY_NAME_CHARACTERS_MAX, pattern=DISPLAY_NAME_PATTERN, examples=["Mara"])
]


class QuoteRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A contribution that somebody thinks of.

    Attributes:
        type: what for. What an ACTIVATION has over the goal, or all of it where the goal is reached, buys credits.
        amount: in US cents, without a point; bounded more closely by the settings `contributions.min_cents` and
            `contributions.max_cents`.
    """

    type: TransactionType
    amount: _AmountCents


class ContributionRequest(QuoteRequest, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A contribution that is to be made.

    Attributes:
        type: what for. What an ACTIVATION has over the goal, or all of it where the goal is reached, buys credits.
        amount: in US cents, without a point; bounded more closely by the settings `contributions.min_cents` and
            `contributions.max_cents`.
        display_name: how a giver who is not signed in is called; without it, anonymous. A user has their own name.
        rate: the credits for a dollar that the quote told; when they are not the same any more, `conflict`.
    """

    display_name: _DisplayName | None = None
    rate: Annotated[int, msgspec.Meta(ge=1, le=100_000, examples=[10])] | None = None


class QuoteRow(msgspec.Struct, frozen=True, rename="camel"):
    """What a part of an amount becomes.

    Attributes:
        type: ACTIVATION moves only the funding, CREDIT_PURCHASE only the credits.
        amount: in US cents.
        credits: that it buys; 0 of an ACTIVATION.
    """

    type: TransactionType
    amount: int
    credits: int


class QuoteAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """What an amount would become now.

    Attributes:
        rows: one, or two where the amount passes the goal.
        rate: credits for a dollar.
    """

    rows: list[QuoteRow]
    rate: int


def quote_answer(quote: Quote) -> QuoteAnswer:
    """A quote for whoever asked."""
    rows = [QuoteRow(share.type, share.amount_cents, share.credits) for share in quote.rows]
    return QuoteAnswer(rows, quote.credits_per_dollar)
