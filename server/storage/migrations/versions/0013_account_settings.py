"""What people see of their sessions, what they say about themselves, and how far a deleted account is erased."""

from alembic import op

revision = "0013_account_settings"
down_revision = "0006_payments"

STATEMENTS = (
    """
    ALTER TABLE session ADD COLUMN device TEXT, ADD COLUMN signed_in_at TIMESTAMPTZ, ADD COLUMN former_hash BYTEA,
        ADD CONSTRAINT ck_session_former_hash_is_sha256 CHECK (octet_length(former_hash) = 32)
    """,
    "CREATE INDEX ix_session_former_hash ON session (former_hash) WHERE former_hash IS NOT NULL",
    """
    ALTER TABLE "user" ADD COLUMN display_name TEXT, ADD COLUMN image_shown BOOLEAN NOT NULL DEFAULT false,
        ADD COLUMN erased_at TIMESTAMPTZ
    """,
    """
    CREATE INDEX ix_user_to_erase ON "user" (deleted_at) WHERE deleted_at IS NOT NULL AND erased_at IS NULL
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
