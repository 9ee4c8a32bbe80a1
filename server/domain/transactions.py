"""The words of the money's records: contributions, transactions and credit entries."""

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
    SETTLED = "SETTLED"
    REVERSED = "REVERSED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


class CreditEntryKind(StrEnum):
    """Why a channel's balance changed."""

    PURCHASE = "PURCHASE"
    CHAT = "CHAT"
    REFUND = "REFUND"
    ADJUST = "ADJUST"
