"""The words for what a payment provider tells, and for why some of it was not applied."""

from enum import StrEnum
from typing import Final

from server.domain.transactions import ContributionStatus


class PaymentKind(StrEnum):
    """What an event says of a payment."""

    PENDING = "PENDING"
    """The giver has done their part; the money is on its way and may still not come."""

    PAID = "PAID"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"

    REFUNDED = "REFUNDED"
    """Money went back to the giver, by a refund or by a dispute; each one, whole or in part, is an event of its own."""

    REINSTATED = "REINSTATED"
    """Money that had gone back came again: a dispute was won, or a refund failed. Nothing is applied: an admin decides,
    because reversals are never undone by themselves."""

    @property
    def status(self) -> ContributionStatus | None:
        """Where the contribution goes from any status of a lower rank; None: this is no step of the payment itself."""
        return _STATUSES.get(self)


_STATUSES: Final = {
    PaymentKind.PENDING: ContributionStatus.PENDING,
    PaymentKind.PAID: ContributionStatus.SETTLED,
    PaymentKind.FAILED: ContributionStatus.FAILED,
    PaymentKind.EXPIRED: ContributionStatus.EXPIRED,
}


class EventProblem(StrEnum):
    """Why an event is kept without having been applied."""

    UNKNOWN_REFERENCE = "UNKNOWN_REFERENCE"
    """No contribution is known by what the event names, so far."""

    NOT_PAID_YET = "NOT_PAID_YET"
    """A refund that came before the payment it is of."""

    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    CURRENCY_DIFFERS = "CURRENCY_DIFFERS"

    CONTRIBUTION_DIFFERS = "CONTRIBUTION_DIFFERS"
    """What the event repeats of our order belongs to another contribution than its reference."""

    PAID_TWICE = "PAID_TWICE"
    """A second payment of a contribution that was paid: it is owed back to the giver."""

    REFUND_REFUSED = "REFUND_REFUSED"
    """More went back than there is left of the contribution."""

    REINSTATED = "REINSTATED"
    """Money came again that had gone back; see `PaymentKind.REINSTATED`."""

    @property
    def waits(self) -> bool:
        """Whether it may still be applied by itself; the others are for an admin to look at."""
        return self in _WAITING


_WAITING: Final = frozenset({EventProblem.UNKNOWN_REFERENCE, EventProblem.NOT_PAID_YET})
