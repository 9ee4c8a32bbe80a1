"""Why a transaction was reversed, and by whom."""

from alembic import op

revision = "0009_reversals"
down_revision = "0007_idempotency_leases"

STATEMENTS = (
    """
    ALTER TABLE "transaction"
        ADD COLUMN reason TEXT,
        ADD COLUMN reversed_by UUID,
        ADD CONSTRAINT fk_transaction_reversed_by FOREIGN KEY (reversed_by) REFERENCES "user" (id),
        ADD CONSTRAINT ck_transaction_reversed
            CHECK (reverses_id IS NOT NULL OR reason IS NULL AND reversed_by IS NULL)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
