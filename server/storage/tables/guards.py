"""What keeps things from happening twice or too often, and the settings that admins change."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from server.domain.settings import SettingType
from server.storage.tables.base import (
    metadata,
    moment,
    moment_of_writing,
    one_of,
    reference,
    words,
)
from server.storage.tables.digests import sha256_check, sha256_column

idempotency_key = Table(
    "idempotency_key",
    metadata,
    words("scope"),
    words("key"),
    sha256_column("request_hash"),
    Column("status", SmallInteger),  # the HTTP status of the answer; NULL while the first request runs
    Column("response", LargeBinary),
    moment_of_writing(),
    Column("owner", Uuid, nullable=False),  # who carries it out; made anew for each run
    moment("lease_until", required=True),  # then, without an answer, the next one may carry it out
    PrimaryKeyConstraint("scope", "key"),
    sha256_check("request_hash"),
    CheckConstraint("(status IS NULL) = (response IS NULL)", name="answered"),
)
Index("ix_idempotency_key_created_at", idempotency_key.c.created_at)

visitor_quota = Table(
    "visitor_quota",
    metadata,
    Column("day", Date, nullable=False),  # a day in UTC
    words("subject"),  # s:<session> or a:<digest of an address>
    Column("chats", Integer, nullable=False),
    PrimaryKeyConstraint("day", "subject"),
    CheckConstraint("chats >= 0", name="chats"),
    postgresql_with={"fillfactor": 50},
)

ledger_check = Table(
    "ledger_check",
    metadata,
    Column("day", Date, nullable=False),  # a day in UTC: one node checks the ledger on it
    moment("started_at", required=True),
    moment("finished_at"),  # NULL: it runs, or its node died
    Column("findings", Integer),
    PrimaryKeyConstraint("day"),
    CheckConstraint("(finished_at IS NULL) = (findings IS NULL)", name="finished"),
    CheckConstraint("findings >= 0", name="findings"),
)

configuration_setting = Table(
    "configuration_setting",
    metadata,
    words("key"),
    words("value"),
    Column("description", Text),
    words("type"),
    reference("updated_by", "user", optional=True),  # NULL: the command line
    moment_of_writing("updated_at"),
    PrimaryKeyConstraint("key"),
    one_of("type", SettingType),
)
