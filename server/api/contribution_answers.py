"""A contribution as its giver reads it over REST."""

from datetime import datetime
from uuid import UUID

import msgspec

from server.domain.transactions import ContributionStatus, TransactionStatus, TransactionType
from server.ledger.given import Given, GivenPart


class ContributionPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A transaction that a contribution became.

    Attributes:
        id: its id.
        type: ACTIVATION moved only the funding, CREDIT_PURCHASE only the credits.
        status: REVERSAL: it took back what another one gave.
        amount: in US cents; negative on a reversal.
        credits: that it bought; negative on a reversal, 0 of an ACTIVATION.
        created_at: when it was written.
    """

    id: UUID
    type: TransactionType
    status: TransactionStatus
    amount: int
    credits: int
    created_at: datetime


class ContributionChannel(msgspec.Struct, frozen=True, rename="camel"):
    """The channel of a contribution.

    Attributes:
        name: its handle.
        title: for people.
    """

    name: str
    title: str


class ContributionAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A contribution of the caller's.

    Attributes:
        id: its id.
        channel: what it is given to.
        type: what was asked for; `transactions` say what it became.
        amount: in US cents.
        currency: always USD.
        status: CREATED: the provider was not reached so far; PENDING: to be paid; SETTLED: paid; FAILED, EXPIRED: not
            paid; REVERSED: paid and taken back.
        rate: credits for a dollar, as they were when it was made.
        display_name: how a giver who is not signed in is called; null: an anonymous supporter.
        checkout_url: where to pay, while it is PENDING; a path of this site or an address of the provider's.
        created_at: when it was made.
        settled_at: when it was paid; null: it was not.
        transactions: what it became, in the order of their writing.
    """

    id: UUID
    channel: ContributionChannel
    type: TransactionType
    amount: int
    currency: str
    status: ContributionStatus
    rate: int
    display_name: str | None
    checkout_url: str | None
    created_at: datetime
    settled_at: datetime | None
    transactions: list[ContributionPart]


class CreatedContribution(msgspec.Struct, frozen=True, rename="camel"):
    """A contribution that was made, and where to pay it.

    Attributes:
        contribution: as it was at that moment.
        checkout_url: a path of this site or an address of the provider's; null: it needs no paying any more.
    """

    contribution: ContributionAnswer
    checkout_url: str | None


def contribution_answer(given: Given) -> ContributionAnswer:
    """A contribution for its giver."""
    return ContributionAnswer(
        id=given.id,
        channel=ContributionChannel(given.channel_name, given.channel_title),
        type=given.type,
        amount=given.amount_cents,
        currency=given.currency,
        status=given.status,
        rate=given.credits_per_dollar,
        display_name=given.display_name,
        checkout_url=given.checkout_url,
        created_at=given.created_at,
        settled_at=given.settled_at,
        transactions=[_part(part) for part in given.parts],
    )


def _part(part: GivenPart) -> ContributionPart:
    return ContributionPart(
        id=part.id,
        type=part.type,
        status=part.status,
        amount=part.amount_cents,
        credits=part.credits,
        created_at=part.created_at,
    )
