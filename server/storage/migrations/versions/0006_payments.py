"""What providers tell: read once, kept in columns, with why it was not applied."""

from alembic import op

revision = "0006_payments"
down_revision = "0011_ledger_checks"

STATEMENTS = (
    """
    ALTER TABLE contribution
        ADD COLUMN payment_reference TEXT,
        ADD COLUMN polled_at TIMESTAMPTZ,
        ADD CONSTRAINT uq_contribution_provider_payment_reference UNIQUE (provider, payment_reference)
    """,
    """
    ALTER TABLE provider_event
        ADD COLUMN kind TEXT,
        ADD COLUMN payment_reference TEXT,
        ADD COLUMN contribution_id UUID,
        ADD COLUMN amount_cents BIGINT,
        ADD COLUMN currency TEXT,
        ADD COLUMN refund_reference TEXT,
        ADD COLUMN refunded_cents BIGINT,
        ADD COLUMN problem TEXT
    """,
    "UPDATE provider_event SET problem = 'UNKNOWN_REFERENCE' WHERE applied_at IS NULL",
    """
    ALTER TABLE provider_event
        ADD CONSTRAINT ck_provider_event_kind
            CHECK (kind IN ('PENDING', 'PAID', 'FAILED', 'EXPIRED', 'REFUNDED', 'REINSTATED')),
        ADD CONSTRAINT ck_provider_event_problem
            CHECK (problem IN ('UNKNOWN_REFERENCE', 'NOT_PAID_YET', 'AMOUNT_DIFFERS', 'CURRENCY_DIFFERS',
                'CONTRIBUTION_DIFFERS', 'PAID_TWICE', 'REFUND_REFUSED', 'REINSTATED')),
        ADD CONSTRAINT ck_provider_event_applied_or_not CHECK ((applied_at IS NULL) = (problem IS NOT NULL))
    """,
    """
    CREATE INDEX ix_provider_event_unapplied_provider_reference ON provider_event (provider_reference)
    WHERE applied_at IS NULL
    """,
    """
    CREATE INDEX ix_provider_event_unapplied_payment_reference ON provider_event (payment_reference)
    WHERE applied_at IS NULL
    """,
    """
    CREATE INDEX ix_provider_event_unapplied_contribution_id ON provider_event (contribution_id)
    WHERE applied_at IS NULL
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
