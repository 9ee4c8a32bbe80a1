"""What the database itself refuses, whoever asks: changes of rows that record money.

`credit_entry` is append-only. A `transaction` changes once at most, when the visitor who made it signs in (its
`user_id` goes from NULL to a user). Both also lose the right to delete for the role that owns them.

And what it keeps by itself: the running totals of transactions (`tables/totals.py`). Whoever writes a transaction holds
its channel's lock, so their rows are no place to wait at; whoever claims some takes the rows of contributors in the
order of channels.
"""

from sqlalchemy import Connection, Table, event

from server.storage.tables.contributions import transaction
from server.storage.tables.entries import credit_entry

REFUSE_CHANGE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or removed (%)', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END $$
"""

ONLY_CLAIM = """
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
"""

APPEND_ONLY = """
CREATE TRIGGER credit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON credit_entry
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""

KEPT = """
CREATE TRIGGER transaction_kept BEFORE DELETE OR TRUNCATE ON "transaction"
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""

CLAIMED_ONCE = """
CREATE TRIGGER transaction_only_claimed BEFORE UPDATE ON "transaction"
FOR EACH ROW EXECUTE FUNCTION only_claim()
"""

ADD_TO_TOTALS = """
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
"""

ADD_TO_CONTRIBUTORS = """
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
"""

TAKE_FROM_CONTRIBUTORS = """
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
"""

CLAIMED_FROM = """
CREATE TRIGGER transaction_claimed_from AFTER UPDATE ON "transaction" REFERENCING OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION take_from_contributors()
"""

CLAIMED_TO = """
CREATE TRIGGER transaction_claimed_to AFTER UPDATE ON "transaction" REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION add_to_contributors()
"""

CONTRIBUTED = """
CREATE TRIGGER transaction_contributed AFTER INSERT ON "transaction" REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION add_to_contributors()
"""

TOTALLED = """
CREATE TRIGGER transaction_totalled AFTER INSERT ON "transaction" REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION add_to_totals()
"""


def _after_creation(table: Table, *statements: str) -> None:
    def run(_table: Table, connection: Connection, **_options: object) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    event.listen(table, "after_create", run)


_after_creation(credit_entry, REFUSE_CHANGE, APPEND_ONLY, "REVOKE DELETE, TRUNCATE ON credit_entry FROM CURRENT_USER")
_after_creation(
    transaction,
    REFUSE_CHANGE,
    ONLY_CLAIM,
    KEPT,
    CLAIMED_ONCE,
    ADD_TO_TOTALS,
    ADD_TO_CONTRIBUTORS,
    TAKE_FROM_CONTRIBUTORS,
    CLAIMED_FROM,
    CLAIMED_TO,
    CONTRIBUTED,
    TOTALLED,
    'REVOKE DELETE, TRUNCATE ON "transaction" FROM CURRENT_USER',
)
