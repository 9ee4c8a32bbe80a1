"""Users, the accounts they sign in with, sessions, API keys."""

from alembic import op

revision = "0001_people"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE "user" (
        id UUID NOT NULL,
        name TEXT,
        email TEXT,
        email_verified TIMESTAMPTZ,
        username TEXT,
        image TEXT,
        role TEXT DEFAULT 'USER' NOT NULL,
        amounts_public BOOLEAN DEFAULT false NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        deleted_at TIMESTAMPTZ,
        CONSTRAINT pk_user PRIMARY KEY (id),
        CONSTRAINT ck_user_role CHECK (role IN ('ADMIN', 'USER'))
    )
    """,
    'CREATE UNIQUE INDEX uq_user_username ON "user" (lower(username))',
    """
    CREATE TABLE account (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        type TEXT NOT NULL,
        provider TEXT NOT NULL,
        provider_account_id TEXT NOT NULL,
        refresh_token BYTEA,
        access_token BYTEA,
        expires_at TIMESTAMPTZ,
        token_type TEXT,
        scope TEXT,
        id_token BYTEA,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_account PRIMARY KEY (id),
        CONSTRAINT uq_account_provider_provider_account_id UNIQUE (provider, provider_account_id),
        CONSTRAINT fk_account_user_id FOREIGN KEY (user_id) REFERENCES "user" (id)
    )
    """,
    "CREATE INDEX ix_account_user_id ON account (user_id)",
    """
    CREATE TABLE session (
        id UUID NOT NULL,
        token_hash BYTEA,
        user_id UUID,
        display_name TEXT,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        last_seen_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        expires_at TIMESTAMPTZ NOT NULL,
        CONSTRAINT pk_session PRIMARY KEY (id),
        CONSTRAINT uq_session_token_hash UNIQUE (token_hash),
        CONSTRAINT ck_session_token_hash_is_sha256 CHECK (octet_length(token_hash) = 32),
        CONSTRAINT fk_session_user_id FOREIGN KEY (user_id) REFERENCES "user" (id)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX ix_session_user_id ON session (user_id) WHERE user_id IS NOT NULL",
    """
    CREATE TABLE api_key (
        id UUID NOT NULL,
        session_id UUID NOT NULL,
        hash BYTEA NOT NULL,
        name TEXT NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        revoked_at TIMESTAMPTZ,
        last_used_at TIMESTAMPTZ,
        CONSTRAINT pk_api_key PRIMARY KEY (id),
        CONSTRAINT uq_api_key_hash UNIQUE (hash),
        CONSTRAINT ck_api_key_hash_is_sha256 CHECK (octet_length(hash) = 32),
        CONSTRAINT fk_api_key_session_id FOREIGN KEY (session_id) REFERENCES session (id)
    )
    """,
    "CREATE INDEX ix_api_key_session_id ON api_key (session_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
