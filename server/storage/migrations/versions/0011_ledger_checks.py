"""The check of the ledger that one node does each day."""

from alembic import op

revision = "0011_ledger_checks"
down_revision = "0008_transaction_lists"

STATEMENTS = (
    """
    CREATE TABLE ledger_check (
        day DATE NOT NULL,
        started_at TIMESTAMPTZ NOT NULL,
        finished_at TIMESTAMPTZ,
        findings INTEGER,
        CONSTRAINT pk_ledger_check PRIMARY KEY (day),
        CONSTRAINT ck_ledger_check_finished CHECK ((finished_at IS NULL) = (findings IS NULL)),
        CONSTRAINT ck_ledger_check_findings CHECK (findings >= 0)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
