"""The words of the money's records, and how far a contribution has come."""

from enum import StrEnum


class TransactionType(StrEnum):
    """What a contribution is for: ACTIVATION moves only the funding, CREDIT_PURCHASE only the credits."""

    ACTIVATION = "ACTIVATION"
    CREDIT_PURCHASE = "CREDIT_PURCHASE"


class TransactionStatus(StrEnum):
    """Rows never change: a REVERSAL is a row of its own that points at a SETTLED one."""

    SETTLED = "SETTLED"
    REVERSAL = "REVERSAL"


class ContributionStatus(StrEnum):
    """Where a payment is. Only SETTLED moves balances."""

    CREATED = "CREATED"
    PENDING = "PENDING"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    SETTLED = "SETTLED"
    REVERSED = "REVERSED"

    @property
    def rank(self) -> int:
        """How far this is. A provider's news may come late and out of order: a contribution only goes to a status of a
        higher rank, so a payment that arrives after a failure counts, and a failure after the payment does not. No two
        have the same rank, so that the order in which news comes never decides."""
        return _RANKS[self]


_RANKS = {
    ContributionStatus.CREATED: 0,
    ContributionStatus.PENDING: 1,
    ContributionStatus.FAILED: 2,
    ContributionStatus.EXPIRED: 3,
    ContributionStatus.SETTLED: 4,
    ContributionStatus.REVERSED: 5,
}


class CreditEntryKind(StrEnum):
    """Why a channel's balance changed."""

    PURCHASE = "PURCHASE"
    CHAT = "CHAT"
    REFUND = "REFUND"
    ADJUST = "ADJUST"


def before(status: ContributionStatus) -> tuple[ContributionStatus, ...]:
    """The statuses from which a contribution may come to this one."""
    return tuple(earlier for earlier in ContributionStatus if earlier.rank < status.rank)
