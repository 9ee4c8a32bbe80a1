"""Nodes, chats, members, messages, shared chats."""

from alembic import op

revision = "0003_chats"
down_revision = "0002_channels"

STATEMENTS = (
    """
    CREATE TABLE node (
        id UUID NOT NULL,
        lease_until TIMESTAMPTZ NOT NULL,
        started_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_node PRIMARY KEY (id)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE chat (
        id UUID NOT NULL,
        user_id UUID,
        session_id UUID NOT NULL,
        channel_id UUID NOT NULL,
        title TEXT,
        state TEXT DEFAULT 'OPEN' NOT NULL,
        credit_state TEXT DEFAULT 'NONE' NOT NULL,
        tokens_used INTEGER NOT NULL,
        token_cap INTEGER DEFAULT 50000 NOT NULL,
        context_id UUID NOT NULL,
        context_tokens INTEGER NOT NULL,
        open_idem TEXT NOT NULL,
        owner_node UUID,
        epoch BIGINT DEFAULT 1 NOT NULL,
        address_digest TEXT,
        quota_day DATE,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        charged_at TIMESTAMPTZ,
        first_token_at TIMESTAMPTZ,
        last_message_at TIMESTAMPTZ,
        deleted_at TIMESTAMPTZ,
        CONSTRAINT pk_chat PRIMARY KEY (id),
        CONSTRAINT uq_chat_session_id_open_idem UNIQUE (session_id, open_idem),
        CONSTRAINT ck_chat_state CHECK (state IN ('OPEN', 'ANSWERING', 'FULL', 'CLOSED')),
        CONSTRAINT ck_chat_credit_state CHECK (credit_state IN ('NONE', 'CHARGED', 'SPENT', 'REFUNDED')),
        CONSTRAINT ck_chat_tokens_used CHECK (tokens_used BETWEEN context_tokens AND token_cap),
        CONSTRAINT ck_chat_token_cap CHECK (token_cap BETWEEN 1 AND 50000),
        CONSTRAINT ck_chat_context_tokens CHECK (context_tokens BETWEEN 0 AND 3400),
        CONSTRAINT ck_chat_epoch CHECK (epoch > 0),
        CONSTRAINT ck_chat_charged_at CHECK ((credit_state = 'NONE') = (charged_at IS NULL)),
        CONSTRAINT ck_chat_first_token_at CHECK ((credit_state = 'SPENT') = (first_token_at IS NOT NULL)),
        CONSTRAINT ck_chat_refunded_is_closed CHECK (credit_state <> 'REFUNDED' OR state = 'CLOSED'),
        CONSTRAINT ck_chat_answering_is_owned CHECK (state <> 'ANSWERING' OR owner_node IS NOT NULL),
        CONSTRAINT fk_chat_user_id FOREIGN KEY (user_id) REFERENCES "user" (id),
        CONSTRAINT fk_chat_session_id FOREIGN KEY (session_id) REFERENCES session (id),
        CONSTRAINT fk_chat_channel_id FOREIGN KEY (channel_id) REFERENCES channel (id),
        CONSTRAINT fk_chat_context_id FOREIGN KEY (context_id) REFERENCES channel_context (id)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX ix_chat_answering ON chat (owner_node) WHERE state = 'ANSWERING'",
    "CREATE INDEX ix_chat_channel_id ON chat (channel_id)",
    "CREATE INDEX ix_chat_empty ON chat (created_at) WHERE last_message_at IS NULL",
    "CREATE INDEX ix_chat_unclaimed ON chat (session_id, last_message_at DESC, id DESC) WHERE user_id IS NULL",
    "CREATE INDEX ix_chat_user ON chat (user_id, last_message_at DESC, id DESC) WHERE user_id IS NOT NULL",
    """
    CREATE TABLE chat_member (
        chat_id UUID NOT NULL,
        ref INTEGER NOT NULL,
        user_id UUID,
        session_id UUID NOT NULL,
        joined_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_chat_member PRIMARY KEY (chat_id, ref),
        CONSTRAINT uq_chat_member_chat_id_session_id UNIQUE (chat_id, session_id),
        CONSTRAINT ck_chat_member_ref CHECK (ref > 0),
        CONSTRAINT fk_chat_member_chat_id FOREIGN KEY (chat_id) REFERENCES chat (id),
        CONSTRAINT fk_chat_member_user_id FOREIGN KEY (user_id) REFERENCES "user" (id),
        CONSTRAINT fk_chat_member_session_id FOREIGN KEY (session_id) REFERENCES session (id)
    )
    """,
    "CREATE INDEX ix_chat_member_unclaimed ON chat_member (session_id) WHERE user_id IS NULL",
    "CREATE INDEX ix_chat_member_user_id ON chat_member (user_id) WHERE user_id IS NOT NULL",
    """
    CREATE TABLE message (
        id UUID NOT NULL,
        chat_id UUID NOT NULL,
        seq INTEGER NOT NULL,
        type TEXT NOT NULL,
        content TEXT DEFAULT '' NOT NULL,
        tokens INTEGER DEFAULT 0 NOT NULL,
        status TEXT NOT NULL,
        author INTEGER,
        parent_id UUID,
        model TEXT,
        prompt_tokens INTEGER,
        completion_tokens INTEGER,
        idem TEXT,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_message PRIMARY KEY (id),
        CONSTRAINT uq_message_chat_id_seq UNIQUE (chat_id, seq),
        CONSTRAINT uq_message_chat_id_idem UNIQUE (chat_id, idem),
        CONSTRAINT fk_message_author FOREIGN KEY (chat_id, author) REFERENCES chat_member (chat_id, ref),
        CONSTRAINT ck_message_type CHECK (type IN ('USER', 'AI')),
        CONSTRAINT ck_message_status CHECK (status IN ('STREAMING', 'DONE', 'STOPPED', 'CUT', 'INTERRUPTED', 'FAILED')),
        CONSTRAINT ck_message_seq CHECK (seq > 0),
        CONSTRAINT ck_message_tokens CHECK (tokens >= 0),
        CONSTRAINT ck_message_author CHECK ((type = 'USER') = (author IS NOT NULL)),
        CONSTRAINT ck_message_user_message_is_done CHECK (type = 'AI' OR status = 'DONE'),
        CONSTRAINT fk_message_chat_id FOREIGN KEY (chat_id) REFERENCES chat (id),
        CONSTRAINT fk_message_parent_id FOREIGN KEY (parent_id) REFERENCES message (id)
    ) WITH (fillfactor = 90)
    """,
    "CREATE INDEX ix_message_parent_id ON message (parent_id) WHERE parent_id IS NOT NULL",
    """
    CREATE TABLE shared_chat (
        id UUID NOT NULL,
        user_id UUID NOT NULL,
        chat_id UUID NOT NULL,
        mode TEXT NOT NULL,
        title TEXT NOT NULL,
        content JSONB,
        token_hash BYTEA NOT NULL,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        expires_at TIMESTAMPTZ,
        revoked_at TIMESTAMPTZ,
        CONSTRAINT pk_shared_chat PRIMARY KEY (id),
        CONSTRAINT uq_shared_chat_token_hash UNIQUE (token_hash),
        CONSTRAINT ck_shared_chat_token_hash_is_sha256 CHECK (octet_length(token_hash) = 32),
        CONSTRAINT ck_shared_chat_mode CHECK (mode IN ('VIEW', 'PARTICIPATE')),
        CONSTRAINT ck_shared_chat_content CHECK ((mode = 'VIEW') = (content IS NOT NULL)),
        CONSTRAINT fk_shared_chat_user_id FOREIGN KEY (user_id) REFERENCES "user" (id),
        CONSTRAINT fk_shared_chat_chat_id FOREIGN KEY (chat_id) REFERENCES chat (id)
    )
    """,
    "CREATE INDEX ix_shared_chat_chat_id ON shared_chat (chat_id)",
    "CREATE INDEX ix_shared_chat_user_id ON shared_chat (user_id)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
