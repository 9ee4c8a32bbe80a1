"""Running totals of transactions, who gave what to a channel, and indexes for lists sorted by amount."""

from alembic import op

revision = "0008_transaction_lists"
down_revision = "0010_badges"

STATEMENTS = (
    """
    CREATE TABLE transaction_total (
        channel_id UUID NOT NULL,
        type TEXT NOT NULL,
        day DATE NOT NULL,
        transactions BIGINT NOT NULL,
        amount_cents BIGINT NOT NULL,
        credits BIGINT NOT NULL,
        CONSTRAINT pk_transaction_total PRIMARY KEY (channel_id, type, day),
        CONSTRAINT ck_transaction_total_type CHECK (type IN ('ACTIVATION', 'CREDIT_PURCHASE')),
        CONSTRAINT ck_transaction_total_transactions CHECK (transactions > 0),
        CONSTRAINT fk_transaction_total_channel_id FOREIGN KEY (channel_id) REFERENCES channel (id)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE contributor (
        channel_id UUID NOT NULL,
        giver_id UUID NOT NULL,
        user_id UUID,
        activations BIGINT NOT NULL,
        activation_cents BIGINT NOT NULL,
        purchases BIGINT NOT NULL,
        purchase_cents BIGINT NOT NULL,
        credits BIGINT NOT NULL,
        latest_at TIMESTAMPTZ NOT NULL,
        latest_id UUID NOT NULL,
        CONSTRAINT pk_contributor PRIMARY KEY (channel_id, giver_id),
        CONSTRAINT ck_contributor_giver CHECK (user_id = giver_id),
        CONSTRAINT ck_contributor_counts CHECK (activations >= 0 AND purchases >= 0),
        CONSTRAINT fk_contributor_channel_id FOREIGN KEY (channel_id) REFERENCES channel (id),
        CONSTRAINT fk_contributor_user_id FOREIGN KEY (user_id) REFERENCES "user" (id)
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX ix_contributor_giver ON contributor (giver_id, latest_at DESC, latest_id DESC)",
    """
    CREATE INDEX ix_contributor_channel ON contributor (channel_id, latest_at DESC, latest_id DESC)
        WHERE activation_cents > 0 OR purchase_cents > 0
    """,
    """
    CREATE INDEX ix_transaction_channel_amount
        ON "transaction" (channel_id, type, amount_cents DESC, created_at DESC, id DESC)
    """,
    """
    CREATE INDEX ix_transaction_user_channel
        ON "transaction" (user_id, channel_id, type, created_at, id) INCLUDE (amount_cents, credits)
        WHERE user_id IS NOT NULL
    """,
    "DROP INDEX ix_transaction_unclaimed",
    """
    CREATE INDEX ix_transaction_unclaimed
        ON "transaction" (session_id, channel_id, type, created_at, id) INCLUDE (amount_cents, credits)
        WHERE user_id IS NULL
    """,
    """
    CREATE OR REPLACE FUNCTION add_to_totals() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO transaction_total AS total (channel_id, type, day, transactions, amount_cents, credits)
        SELECT channel_id, type, (created_at AT TIME ZONE 'UTC')::date, count(*), sum(amount_cents), sum(credits)
        FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (channel_id, type, day) DO UPDATE
        SET transactions = total.transactions + excluded.transactions,
            amount_cents = total.amount_cents + excluded.amount_cents,
            credits = total.credits + excluded.credits;
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION add_to_contributors() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO contributor AS known (channel_id, giver_id, user_id, activations, activation_cents, purchases,
                                          purchase_cents, credits, latest_at, latest_id)
        SELECT channel_id, coalesce(user_id, session_id), user_id,
               count(*) FILTER (WHERE type = 'ACTIVATION'),
               coalesce(sum(amount_cents) FILTER (WHERE type = 'ACTIVATION'), 0),
               count(*) FILTER (WHERE type = 'CREDIT_PURCHASE'),
               coalesce(sum(amount_cents) FILTER (WHERE type = 'CREDIT_PURCHASE'), 0),
               sum(credits), max(created_at), (array_agg(id ORDER BY created_at DESC, id DESC))[1]
        FROM added GROUP BY 1, 2, 3 ORDER BY 1, 2
        ON CONFLICT (channel_id, giver_id) DO UPDATE
        SET activations = known.activations + excluded.activations,
            activation_cents = known.activation_cents + excluded.activation_cents,
            purchases = known.purchases + excluded.purchases,
            purchase_cents = known.purchase_cents + excluded.purchase_cents,
            credits = known.credits + excluded.credits,
            latest_at = greatest(known.latest_at, excluded.latest_at),
            latest_id = CASE WHEN (excluded.latest_at, excluded.latest_id) > (known.latest_at, known.latest_id)
                             THEN excluded.latest_id ELSE known.latest_id END;
        RETURN NULL;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION take_from_contributors() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE contributor
        SET activations = contributor.activations - gone.activations,
            activation_cents = contributor.activation_cents - gone.activation_cents,
            purchases = contributor.purchases - gone.purchases,
            purchase_cents = contributor.purchase_cents - gone.purchase_cents,
            credits = contributor.credits - gone.credits
        FROM (
            SELECT channel_id, session_id,
                   count(*) FILTER (WHERE type = 'ACTIVATION') AS activations,
                   coalesce(sum(amount_cents) FILTER (WHERE type = 'ACTIVATION'), 0) AS activation_cents,
                   count(*) FILTER (WHERE type = 'CREDIT_PURCHASE') AS purchases,
                   coalesce(sum(amount_cents) FILTER (WHERE type = 'CREDIT_PURCHASE'), 0) AS purchase_cents,
                   sum(credits) AS credits
            FROM removed GROUP BY 1, 2
        ) AS gone
        WHERE contributor.channel_id = gone.channel_id AND contributor.giver_id = gone.session_id;
        DELETE FROM contributor USING removed
        WHERE contributor.channel_id = removed.channel_id AND contributor.giver_id = removed.session_id
              AND contributor.activations + contributor.purchases = 0;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER transaction_claimed_from AFTER UPDATE ON "transaction" REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION take_from_contributors()
    """,
    """
    CREATE TRIGGER transaction_claimed_to AFTER UPDATE ON "transaction" REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION add_to_contributors()
    """,
    """
    CREATE TRIGGER transaction_contributed AFTER INSERT ON "transaction" REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION add_to_contributors()
    """,
    """
    CREATE TRIGGER transaction_totalled AFTER INSERT ON "transaction" REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION add_to_totals()
    """,
    # The triggers are there by now and have waited for running writers: what follows counts every row once.
    """
    INSERT INTO transaction_total (channel_id, type, day, transactions, amount_cents, credits)
    SELECT channel_id, type, (created_at AT TIME ZONE 'UTC')::date, count(*), sum(amount_cents), sum(credits)
    FROM "transaction" GROUP BY 1, 2, 3
    """,
    """
    INSERT INTO contributor (channel_id, giver_id, user_id, activations, activation_cents, purchases,
                             purchase_cents, credits, latest_at, latest_id)
    SELECT channel_id, coalesce(user_id, session_id), user_id,
           count(*) FILTER (WHERE type = 'ACTIVATION'),
           coalesce(sum(amount_cents) FILTER (WHERE type = 'ACTIVATION'), 0),
           count(*) FILTER (WHERE type = 'CREDIT_PURCHASE'),
           coalesce(sum(amount_cents) FILTER (WHERE type = 'CREDIT_PURCHASE'), 0),
           sum(credits), max(created_at), (array_agg(id ORDER BY created_at DESC, id DESC))[1]
    FROM "transaction" GROUP BY 1, 2, 3
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
