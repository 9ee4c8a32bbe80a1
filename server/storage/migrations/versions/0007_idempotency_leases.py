"""Who carries out a repeatable request, and until when; the table was not used before."""

from alembic import op

revision = "0007_idempotency_leases"
down_revision = "0005_badges_and_guards"

STATEMENTS = (
    "ALTER TABLE idempotency_key ADD COLUMN owner UUID NOT NULL",
    "ALTER TABLE idempotency_key ADD COLUMN lease_until TIMESTAMPTZ NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
