"""What transactions come to, kept by triggers in the transaction that writes them (`tables/triggers.py`).

Both tables can be derived anew from `transaction`; the check of the ledger does.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Index, PrimaryKeyConstraint, Table, Uuid, or_

from server.domain.transactions import TransactionType
from server.storage.tables.base import metadata, moment, one_of, reference, words

transaction_total = Table(
    "transaction_total",
    metadata,
    reference("channel_id", "channel"),
    words("type"),
    Column("day", Date, nullable=False),  # of the transactions' created_at, in UTC
    Column("transactions", BigInteger, nullable=False),  # rows, reversals among them; the sums are net of those
    Column("amount_cents", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    PrimaryKeyConstraint("channel_id", "type", "day"),
    one_of("type", TransactionType),
    CheckConstraint("transactions > 0", name="transactions"),
    postgresql_with={"fillfactor": 70},  # a busy channel's row of today is updated again and again
)

contributor = Table(
    "contributor",
    metadata,
    reference("channel_id", "channel"),
    Column("giver_id", Uuid, nullable=False),  # the user, or the session of rows that no user has claimed
    reference("user_id", "user", optional=True),  # NULL: the giver is a session
    Column("activations", BigInteger, nullable=False),  # rows, reversals among them
    Column("activation_cents", BigInteger, nullable=False),
    Column("purchases", BigInteger, nullable=False),
    Column("purchase_cents", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),
    moment("latest_at", required=True),
    Column("latest_id", Uuid, nullable=False),  # the newest of these transactions; public, which the giver's id is not
    PrimaryKeyConstraint("channel_id", "giver_id"),
    CheckConstraint("user_id = giver_id", name="giver"),
    CheckConstraint("activations >= 0 AND purchases >= 0", name="counts"),
    postgresql_with={"fillfactor": 80},
)
Index("ix_contributor_giver", contributor.c.giver_id, contributor.c.latest_at.desc(), contributor.c.latest_id.desc())
Index(
    "ix_contributor_channel",
    contributor.c.channel_id,
    contributor.c.latest_at.desc(),
    contributor.c.latest_id.desc(),
    postgresql_where=or_(contributor.c.activation_cents > 0, contributor.c.purchase_cents > 0),
)
