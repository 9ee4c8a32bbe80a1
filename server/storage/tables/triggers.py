"""What the database itself refuses, whoever asks: changes of rows that record money.

`credit_entry` is append-only. A `transaction` changes once at most, when the visitor who made it signs in (its
`user_id` goes from NULL to a user). Both also lose the right to delete for the role that owns them.
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
    'REVOKE DELETE, TRUNCATE ON "transaction" FROM CURRENT_USER',
)
