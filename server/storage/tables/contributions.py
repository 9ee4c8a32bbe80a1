"""Contributions (one payment each), the transactions they became, and what the payment providers told."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from server.domain.payments import EventProblem, PaymentKind
from server.domain.transactions import ContributionStatus, TransactionStatus, TransactionType
from server.storage.tables.base import id_column, metadata, moment, moment_of_writing, one_of, reference, words

contribution = Table(
    "contribution",
    metadata,
    id_column(),
    reference("channel_id", "channel"),
    reference("session_id", "session"),
    reference("user_id", "user", optional=True),
    words("type"),  # what was asked for; the split at the goal is decided when it settles
    Column("amount_cents", BigInteger, nullable=False),
    words("currency", default="USD"),
    Column("credits_per_dollar", Integer, nullable=False),  # frozen when it was made
    words("status", default=ContributionStatus.CREATED),
    words("provider"),
    Column("provider_reference", Text),
    Column("payment_reference", Text),  # the provider's other name of the payment, which refunds and disputes go by
    Column("checkout_url", Text),
    Column("display_name", Text),  # NULL: an anonymous supporter
    moment_of_writing(),
    moment_of_writing("updated_at"),
    moment("settled_at"),
    moment("polled_at"),  # when the provider was asked last, because no news came
    UniqueConstraint("provider", "provider_reference"),
    UniqueConstraint("provider", "payment_reference"),
    one_of("type", TransactionType),
    one_of("status", ContributionStatus),
    one_of("currency", ("USD",)),
    CheckConstraint("amount_cents > 0", name="amount"),
    CheckConstraint("credits_per_dollar > 0", name="credits_per_dollar"),
    CheckConstraint("(status IN ('SETTLED', 'REVERSED')) = (settled_at IS NOT NULL)", name="settled_once"),
)
Index("ix_contribution_channel_id", contribution.c.channel_id)
Index("ix_contribution_user_id", contribution.c.user_id)
Index("ix_contribution_unclaimed", contribution.c.session_id, postgresql_where=contribution.c.user_id.is_(None))
Index(
    "ix_contribution_unsettled",
    contribution.c.updated_at,
    postgresql_where=contribution.c.status.in_((ContributionStatus.CREATED, ContributionStatus.PENDING)),
)

transaction = Table(
    "transaction",
    metadata,
    id_column(),
    reference("channel_id", "channel"),
    reference("user_id", "user", optional=True),
    reference("session_id", "session", optional=True),
    Column("amount_cents", BigInteger, nullable=False),  # negative on a reversal
    words("currency", default="USD"),
    words("type"),
    words("status", default=TransactionStatus.SETTLED),
    words("description", default=""),
    Column("credits", BigInteger, nullable=False),  # negative on a reversal, 0 on an activation
    Column("deficit_credits", BigInteger, nullable=False, server_default=text("0")),  # reversed, but used already
    Column("credits_per_dollar", Integer, nullable=False),
    reference("contribution_id", "contribution"),
    words("provider"),
    Column("provider_reference", Text),
    reference("reverses_id", "transaction", optional=True),
    moment_of_writing(),
    Column("reason", Text),  # why it was reversed: for admins only
    reference("reversed_by", "user", optional=True),  # the admin; NULL: the provider, or the command line
    UniqueConstraint(
        "contribution_id",
        "type",
        "reverses_id",
        "provider_reference",
        name="uq_transaction_once",
        postgresql_nulls_not_distinct=True,
    ),
    one_of("type", TransactionType),
    one_of("status", TransactionStatus),
    one_of("currency", ("USD",)),
    CheckConstraint("user_id IS NOT NULL OR session_id IS NOT NULL", name="somebodys"),
    CheckConstraint("(status = 'REVERSAL') = (reverses_id IS NOT NULL)", name="reversal_points_back"),
    CheckConstraint("CASE WHEN reverses_id IS NULL THEN amount_cents > 0 ELSE amount_cents < 0 END", name="amount"),
    CheckConstraint(
        "CASE WHEN type = 'ACTIVATION' THEN credits = 0"
        " WHEN reverses_id IS NULL THEN credits > 0 ELSE credits <= 0 END",
        name="credits",
    ),
    CheckConstraint(
        "deficit_credits BETWEEN 0 AND CASE WHEN reverses_id IS NULL THEN 0 ELSE -credits END", name="deficit"
    ),
    CheckConstraint("credits_per_dollar > 0", name="credits_per_dollar"),
    CheckConstraint("reverses_id IS NOT NULL OR reason IS NULL AND reversed_by IS NULL", name="reversed"),
)
Index("ix_transaction_channel", transaction.c.channel_id, transaction.c.created_at.desc(), transaction.c.id.desc())
Index(
    "ix_transaction_channel_type",
    transaction.c.channel_id,
    transaction.c.type,
    transaction.c.created_at.desc(),
    transaction.c.id.desc(),
)
Index("ix_transaction_user", transaction.c.user_id, transaction.c.created_at.desc(), transaction.c.id.desc())
Index(
    "ix_transaction_unclaimed",
    transaction.c.session_id,
    transaction.c.channel_id,
    transaction.c.type,
    transaction.c.created_at,
    transaction.c.id,
    postgresql_include=["amount_cents", "credits"],
    postgresql_where=transaction.c.user_id.is_(None),
)
Index(
    "ix_transaction_channel_amount",
    transaction.c.channel_id,
    transaction.c.type,
    transaction.c.amount_cents.desc(),
    transaction.c.created_at.desc(),
    transaction.c.id.desc(),
)
Index(
    "ix_transaction_user_channel",
    transaction.c.user_id,
    transaction.c.channel_id,
    transaction.c.type,
    transaction.c.created_at,
    transaction.c.id,
    postgresql_include=["amount_cents", "credits"],
    postgresql_where=transaction.c.user_id.is_not(None),
)
Index("ix_transaction_reverses_id", transaction.c.reverses_id, postgresql_where=transaction.c.reverses_id.is_not(None))

provider_event = Table(
    "provider_event",
    metadata,
    words("provider"),
    words("event_id"),
    words("type"),
    Column("kind", Text),  # NULL: of no interest here
    Column("provider_reference", Text),
    Column("payment_reference", Text),
    Column("contribution_id", Uuid),  # as the provider repeats it; it need not be one of ours
    Column("amount_cents", BigInteger),  # of the whole payment
    Column("currency", Text),
    Column("refund_reference", Text),
    Column("refunded_cents", BigInteger),  # of this refund alone
    Column("payload", JSONB, nullable=False),
    moment_of_writing("received_at"),
    moment("applied_at"),  # NULL: not applied, and `problem` says why
    Column("problem", Text),
    PrimaryKeyConstraint("provider", "event_id"),
    one_of("kind", PaymentKind),
    one_of("problem", EventProblem),
    CheckConstraint("(applied_at IS NULL) = (problem IS NOT NULL)", name="applied_or_not"),
)
_UNAPPLIED = provider_event.c.applied_at.is_(None)
Index("ix_provider_event_unapplied", provider_event.c.received_at, postgresql_where=_UNAPPLIED)
for _name in ("provider_reference", "payment_reference", "contribution_id"):
    Index(f"ix_provider_event_unapplied_{_name}", provider_event.c[_name], postgresql_where=_UNAPPLIED)
