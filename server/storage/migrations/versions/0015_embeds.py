"""Channels say whose pages may show their chat, and sessions in which channel's frame they were begun."""

from alembic import op

revision = "0015_embeds"
down_revision = "0014_owned_keys"

STATEMENTS = (
    """
    ALTER TABLE channel ADD COLUMN embed_origins TEXT[] NOT NULL DEFAULT '{}',
        ADD CONSTRAINT ck_channel_embed_origins CHECK (cardinality(embed_origins) <= 20)
    """,
    "CREATE INDEX ix_channel_embed_origins ON channel USING gin (embed_origins) WHERE embed_origins <> '{}'",
    """
    ALTER TABLE session
        ADD COLUMN embed_channel_id UUID CONSTRAINT fk_session_embed_channel_id REFERENCES channel (id),
        ADD COLUMN embed_origin TEXT,
        ADD CONSTRAINT ck_session_embed_is_whole CHECK ((embed_channel_id IS NULL) = (embed_origin IS NULL))
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
