"""API keys get owners and scopes; those there are belong to nobody and may do what they could so far."""

from alembic import op

revision = "0014_owned_keys"
down_revision = "0012_account_emails"

STATEMENTS = (
    """
    ALTER TABLE api_key ADD COLUMN user_id UUID CONSTRAINT fk_api_key_user_id REFERENCES "user" (id),
        ADD COLUMN scopes TEXT[] NOT NULL DEFAULT '{chat,read}',
        ADD CONSTRAINT ck_api_key_scopes_are_known
            CHECK (scopes <@ '{chat,read,admin}' AND cardinality(scopes) > 0)
    """,
    "CREATE INDEX ix_api_key_user_id ON api_key (user_id) WHERE user_id IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
