"""Channels, frozen contexts, figures by day, boosts."""

from alembic import op

revision = "0002_channels"
down_revision = "0001_people"

STATEMENTS = (
    """
    CREATE TABLE channel (
        id UUID NOT NULL,
        name TEXT NOT NULL,
        title TEXT NOT NULL,
        description TEXT DEFAULT '' NOT NULL,
        image TEXT,
        subscriber_count BIGINT,
        video_count BIGINT,
        view_count BIGINT,
        status TEXT DEFAULT 'PENDING' NOT NULL,
        activated_at TIMESTAMPTZ,
        activation_funding_cents BIGINT DEFAULT 0 NOT NULL,
        activation_goal_cents BIGINT NOT NULL,
        credit_balance BIGINT DEFAULT 0 NOT NULL,
        ledger_version BIGINT DEFAULT 0 NOT NULL,
        persona TEXT DEFAULT '' NOT NULL,
        knowledge TEXT DEFAULT '' NOT NULL,
        model TEXT,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        updated_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_channel PRIMARY KEY (id),
        CONSTRAINT uq_channel_name UNIQUE (name),
        CONSTRAINT ck_channel_status CHECK (status IN ('PENDING', 'ACTIVE', 'INACTIVE')),
        CONSTRAINT ck_channel_name_is_lower_case CHECK (name = lower(name) AND name <> ''),
        CONSTRAINT ck_channel_activated_once CHECK ((status = 'PENDING') = (activated_at IS NULL)),
        CONSTRAINT ck_channel_activation_goal CHECK (activation_goal_cents > 0),
        CONSTRAINT ck_channel_activation_funding CHECK (activation_funding_cents BETWEEN 0 AND activation_goal_cents),
        CONSTRAINT ck_channel_credit_balance CHECK (credit_balance >= 0),
        CONSTRAINT ck_channel_ledger_version CHECK (ledger_version >= 0)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE channel_context (
        id UUID NOT NULL,
        channel_id UUID NOT NULL,
        persona TEXT NOT NULL,
        knowledge TEXT NOT NULL,
        tokens INTEGER NOT NULL,
        sha256 BYTEA NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_channel_context PRIMARY KEY (id),
        CONSTRAINT uq_channel_context_channel_id_sha256 UNIQUE (channel_id, sha256),
        CONSTRAINT ck_channel_context_sha256_is_sha256 CHECK (octet_length(sha256) = 32),
        CONSTRAINT ck_channel_context_tokens CHECK (tokens BETWEEN 0 AND 3400),
        CONSTRAINT fk_channel_context_channel_id FOREIGN KEY (channel_id) REFERENCES channel (id)
    )
    """,
    """
    CREATE TABLE channel_metrics (
        id UUID NOT NULL,
        channel_id UUID NOT NULL,
        date DATE NOT NULL,
        views BIGINT DEFAULT 0 NOT NULL,
        chats BIGINT DEFAULT 0 NOT NULL,
        CONSTRAINT pk_channel_metrics PRIMARY KEY (id),
        CONSTRAINT uq_channel_metrics_channel_id_date UNIQUE (channel_id, date),
        CONSTRAINT ck_channel_metrics_counts CHECK (views >= 0 AND chats >= 0),
        CONSTRAINT fk_channel_metrics_channel_id FOREIGN KEY (channel_id) REFERENCES channel (id)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE channel_boost (
        id UUID NOT NULL,
        channel_id UUID NOT NULL,
        boost_type TEXT NOT NULL,
        value BIGINT NOT NULL,
        granted_by UUID,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        expires_at TIMESTAMPTZ,
        CONSTRAINT pk_channel_boost PRIMARY KEY (id),
        CONSTRAINT ck_channel_boost_boost_type CHECK (boost_type IN ('MEMORY', 'TOKENS', 'FINE_TUNING')),
        CONSTRAINT ck_channel_boost_value CHECK (value > 0),
        CONSTRAINT fk_channel_boost_channel_id FOREIGN KEY (channel_id) REFERENCES channel (id),
        CONSTRAINT fk_channel_boost_granted_by FOREIGN KEY (granted_by) REFERENCES "user" (id)
    )
    """,
    "CREATE INDEX ix_channel_boost_channel_id ON channel_boost (channel_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
