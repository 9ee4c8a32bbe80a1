"""Badges, idempotency keys, the visitor quota, settings."""

from alembic import op

revision = "0005_badges_and_guards"
down_revision = "0004_money"

STATEMENTS = (
    """
    CREATE TABLE badge (
        id UUID NOT NULL,
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        icon TEXT NOT NULL,
        criteria JSONB NOT NULL,
        position INTEGER NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_badge PRIMARY KEY (id),
        CONSTRAINT uq_badge_name UNIQUE (name)
    )
    """,
    """
    CREATE TABLE user_badge (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        badge_id UUID NOT NULL,
        channel_id UUID,
        transaction_id UUID,
        earned_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_user_badge PRIMARY KEY (id),
        CONSTRAINT uq_user_badge_once UNIQUE NULLS NOT DISTINCT (user_id, badge_id, channel_id),
        CONSTRAINT fk_user_badge_user_id FOREIGN KEY (user_id) REFERENCES "user" (id),
        CONSTRAINT fk_user_badge_badge_id FOREIGN KEY (badge_id) REFERENCES badge (id),
        CONSTRAINT fk_user_badge_channel_id FOREIGN KEY (channel_id) REFERENCES channel (id),
        CONSTRAINT fk_user_badge_transaction_id FOREIGN KEY (transaction_id) REFERENCES "transaction" (id)
    )
    """,
    "CREATE INDEX ix_user_badge_channel_id ON user_badge (channel_id)",
    """
    CREATE TABLE session_badge (
        id UUID NOT NULL,
        session_id UUID NOT NULL,
        badges JSONB DEFAULT '[]'::jsonb NOT NULL,
        CONSTRAINT pk_session_badge PRIMARY KEY (id),
        CONSTRAINT uq_session_badge_session_id UNIQUE (session_id),
        CONSTRAINT ck_session_badge_badges CHECK (jsonb_typeof(badges) = 'array'),
        CONSTRAINT fk_session_badge_session_id FOREIGN KEY (session_id) REFERENCES session (id)
    )
    """,
    """
    CREATE TABLE idempotency_key (
        scope TEXT NOT NULL,
        key TEXT NOT NULL,
        request_hash BYTEA NOT NULL,
        status SMALLINT,
        response BYTEA,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_idempotency_key PRIMARY KEY (scope, key),
        CONSTRAINT ck_idempotency_key_request_hash_is_sha256 CHECK (octet_length(request_hash) = 32),
        CONSTRAINT ck_idempotency_key_answered CHECK ((status IS NULL) = (response IS NULL))
    )
    """,
    "CREATE INDEX ix_idempotency_key_created_at ON idempotency_key (created_at)",
    """
    CREATE TABLE visitor_quota (
        day DATE NOT NULL,
        subject TEXT NOT NULL,
        chats INTEGER NOT NULL,
        CONSTRAINT pk_visitor_quota PRIMARY KEY (day, subject),
        CONSTRAINT ck_visitor_quota_chats CHECK (chats >= 0)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE configuration_setting (
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        description TEXT,
        type TEXT NOT NULL,
        updated_by UUID,
        updated_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_configuration_setting PRIMARY KEY (key),
        CONSTRAINT ck_configuration_setting_type CHECK (type IN ('STRING', 'INTEGER', 'BOOLEAN', 'FLOAT')),
        CONSTRAINT fk_configuration_setting_updated_by FOREIGN KEY (updated_by) REFERENCES "user" (id)
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
