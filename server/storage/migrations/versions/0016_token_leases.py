"""The tokens of one account are refreshed by one node at a time."""

from alembic import op

revision = "0016_token_leases"
down_revision = "0015_embeds"


def upgrade() -> None:
    op.execute("ALTER TABLE account ADD COLUMN refreshing_until TIMESTAMPTZ")
