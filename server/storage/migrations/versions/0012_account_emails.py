"""Finds the user whose verified e-mail address somebody brings who signs in for the first time."""

from alembic import op

revision = "0012_account_emails"
down_revision = "0013_account_settings"

STATEMENTS = (
    """
    CREATE INDEX ix_user_email ON "user" (lower(email)) WHERE email_verified IS NOT NULL AND deleted_at IS NULL
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
