"""Contributions, transactions, provider events, and the credit ledger with its guards."""

from alembic import op

revision = "0004_money"
down_revision = "0003_chats"

STATEMENTS = (
    """
    CREATE TABLE contribution (
        id UUID NOT NULL,
        channel_id UUID NOT NULL,
        session_id UUID NOT NULL,
        user_id UUID,
        type TEXT NOT NULL,
        amount_cents BIGINT NOT NULL,
        currency TEXT DEFAULT 'USD' NOT NULL,
        credits_per_dollar INTEGER NOT NULL,
        status TEXT DEFAULT 'CREATED' NOT NULL,
        provider TEXT NOT NULL,
        provider_reference TEXT,
        checkout_url TEXT,
        display_name TEXT,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        updated_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        settled_at TIMESTAMPTZ,
        CONSTRAINT pk_contribution PRIMARY KEY (id),
        CONSTRAINT uq_contribution_provider_provider_reference UNIQUE (provider, provider_reference),
        CONSTRAINT ck_contribution_type CHECK (type IN ('ACTIVATION', 'CREDIT_PURCHASE')),
        CONSTRAINT ck_contribution_status
            CHECK (status IN ('CREATED', 'PENDING', 'FAILED', 'EXPIRED', 'SETTLED', 'REVERSED')),
        CONSTRAINT ck_contribution_currency CHECK (currency IN ('USD')),
        CONSTRAINT ck_contribution_amount CHECK (amount_cents > 0),
        CONSTRAINT ck_contribution_credits_per_dollar CHECK (credits_per_dollar > 0),
        CONSTRAINT ck_contribution_settled_once CHECK ((status IN ('SETTLED', 'REVERSED')) = (settled_at IS NOT NULL)),
        CONSTRAINT fk_contribution_channel_id FOREIGN KEY (channel_id) REFERENCES channel (id),
        CONSTRAINT fk_contribution_session_id FOREIGN KEY (session_id) REFERENCES session (id),
        CONSTRAINT fk_contribution_user_id FOREIGN KEY (user_id) REFERENCES "user" (id)
    )
    """,
    "CREATE INDEX ix_contribution_channel_id ON contribution (channel_id)",
    "CREATE INDEX ix_contribution_unclaimed ON contribution (session_id) WHERE user_id IS NULL",
    "CREATE INDEX ix_contribution_unsettled ON contribution (updated_at) WHERE status IN ('CREATED', 'PENDING')",
    "CREATE INDEX ix_contribution_user_id ON contribution (user_id)",
    """
    CREATE TABLE "transaction" (
        id UUID NOT NULL,
        channel_id UUID NOT NULL,
        user_id UUID,
        session_id UUID,
        amount_cents BIGINT NOT NULL,
        currency TEXT DEFAULT 'USD' NOT NULL,
        type TEXT NOT NULL,
        status TEXT DEFAULT 'SETTLED' NOT NULL,
        description TEXT DEFAULT '' NOT NULL,
        credits BIGINT NOT NULL,
        deficit_credits BIGINT DEFAULT 0 NOT NULL,
        credits_per_dollar INTEGER NOT NULL,
        contribution_id UUID NOT NULL,
        provider TEXT NOT NULL,
        provider_reference TEXT,
        reverses_id UUID,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_transaction PRIMARY KEY (id),
        CONSTRAINT uq_transaction_once
            UNIQUE NULLS NOT DISTINCT (contribution_id, type, reverses_id, provider_reference),
        CONSTRAINT ck_transaction_type CHECK (type IN ('ACTIVATION', 'CREDIT_PURCHASE')),
        CONSTRAINT ck_transaction_status CHECK (status IN ('SETTLED', 'REVERSAL')),
        CONSTRAINT ck_transaction_currency CHECK (currency IN ('USD')),
        CONSTRAINT ck_transaction_somebodys CHECK (user_id IS NOT NULL OR session_id IS NOT NULL),
        CONSTRAINT ck_transaction_reversal_points_back CHECK ((status = 'REVERSAL') = (reverses_id IS NOT NULL)),
        CONSTRAINT ck_transaction_amount
            CHECK (CASE WHEN reverses_id IS NULL THEN amount_cents > 0 ELSE amount_cents < 0 END),
        CONSTRAINT ck_transaction_credits
            CHECK (CASE WHEN type = 'ACTIVATION' THEN credits = 0
                WHEN reverses_id IS NULL THEN credits > 0 ELSE credits <= 0 END),
        CONSTRAINT ck_transaction_deficit
            CHECK (deficit_credits BETWEEN 0 AND CASE WHEN reverses_id IS NULL THEN 0 ELSE -credits END),
        CONSTRAINT ck_transaction_credits_per_dollar CHECK (credits_per_dollar > 0),
        CONSTRAINT fk_transaction_channel_id FOREIGN KEY (channel_id) REFERENCES channel (id),
        CONSTRAINT fk_transaction_user_id FOREIGN KEY (user_id) REFERENCES "user" (id),
        CONSTRAINT fk_transaction_session_id FOREIGN KEY (session_id) REFERENCES session (id),
        CONSTRAINT fk_transaction_contribution_id FOREIGN KEY (contribution_id) REFERENCES contribution (id),
        CONSTRAINT fk_transaction_reverses_id FOREIGN KEY (reverses_id) REFERENCES "transaction" (id)
    )
    """,
    'CREATE INDEX ix_transaction_channel ON "transaction" (channel_id, created_at DESC, id DESC)',
    'CREATE INDEX ix_transaction_channel_type ON "transaction" (channel_id, type, created_at DESC, id DESC)',
    'CREATE INDEX ix_transaction_reverses_id ON "transaction" (reverses_id) WHERE reverses_id IS NOT NULL',
    'CREATE INDEX ix_transaction_unclaimed ON "transaction" (session_id) WHERE user_id IS NULL',
    'CREATE INDEX ix_transaction_user ON "transaction" (user_id, created_at DESC, id DESC)',
    """
    CREATE TABLE provider_event (
        provider TEXT NOT NULL,
        event_id TEXT NOT NULL,
        type TEXT NOT NULL,
        provider_reference TEXT,
        payload JSONB NOT NULL,
        received_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        applied_at TIMESTAMPTZ,
        CONSTRAINT pk_provider_event PRIMARY KEY (provider, event_id)
    )
    """,
    "CREATE INDEX ix_provider_event_unapplied ON provider_event (received_at) WHERE applied_at IS NULL",
    """
    CREATE TABLE credit_entry (
        channel_id UUID NOT NULL,
        channel_seq BIGINT NOT NULL,
        kind TEXT NOT NULL,
        delta BIGINT NOT NULL,
        balance_after BIGINT NOT NULL,
        chat_id UUID,
        source_id UUID,
        reason TEXT,
        created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
        CONSTRAINT pk_credit_entry PRIMARY KEY (channel_id, channel_seq),
        CONSTRAINT uq_credit_entry_chat_id_kind UNIQUE (chat_id, kind),
        CONSTRAINT uq_credit_entry_source_id UNIQUE (source_id),
        CONSTRAINT ck_credit_entry_kind CHECK (kind IN ('PURCHASE', 'CHAT', 'REFUND', 'ADJUST')),
        CONSTRAINT ck_credit_entry_channel_seq CHECK (channel_seq > 0),
        CONSTRAINT ck_credit_entry_balance_after CHECK (balance_after >= 0),
        CONSTRAINT ck_credit_entry_delta
            CHECK (CASE kind WHEN 'CHAT' THEN delta = -1 WHEN 'REFUND' THEN delta = 1
                WHEN 'PURCHASE' THEN delta > 0 ELSE delta <> 0 END),
        CONSTRAINT ck_credit_entry_of_a_chat CHECK ((kind IN ('CHAT', 'REFUND')) = (chat_id IS NOT NULL)),
        CONSTRAINT ck_credit_entry_of_a_source CHECK ((kind IN ('PURCHASE', 'ADJUST')) = (source_id IS NOT NULL)),
        CONSTRAINT ck_credit_entry_adjustment_has_reason CHECK (kind <> 'ADJUST' OR reason IS NOT NULL),
        CONSTRAINT fk_credit_entry_channel_id FOREIGN KEY (channel_id) REFERENCES channel (id),
        CONSTRAINT fk_credit_entry_chat_id FOREIGN KEY (chat_id) REFERENCES chat (id)
    )
    """,
    """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of % are never changed or removed (%)', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION only_claim() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        unclaimed "transaction" := NEW;
    BEGIN
        unclaimed.user_id := NULL;
        IF OLD.user_id IS NOT NULL OR unclaimed IS DISTINCT FROM OLD THEN
            RAISE EXCEPTION 'a transaction is never changed, but for the claim by a user'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER credit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER transaction_kept BEFORE DELETE OR TRUNCATE ON "transaction"
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TRIGGER transaction_only_claimed BEFORE UPDATE ON "transaction"
    FOR EACH ROW EXECUTE FUNCTION only_claim()
    """,
    "REVOKE DELETE, TRUNCATE ON credit_entry FROM CURRENT_USER",
    'REVOKE DELETE, TRUNCATE ON "transaction" FROM CURRENT_USER',
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
