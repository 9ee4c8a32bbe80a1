"""Channels, what their AI was told (frozen contexts), their figures by day, and their boosts."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from server.domain.channels import ChannelBoostType, ChannelStatus
from server.storage.tables.base import (
    id_column,
    metadata,
    moment,
    moment_of_writing,
    one_of,
    reference,
    words,
)
from server.storage.tables.digests import sha256_check, sha256_column

channel = Table(
    "channel",
    metadata,
    id_column(),
    words("name"),  # the handle in the address
    words("title"),
    words("description", default=""),
    Column("image", Text),
    Column("subscriber_count", BigInteger),  # NULL: not known, which is not 0
    Column("video_count", BigInteger),
    Column("view_count", BigInteger),
    words("status", default=ChannelStatus.PENDING),
    moment("activated_at"),
    Column("activation_funding_cents", BigInteger, nullable=False, server_default=text("0")),
    Column("activation_goal_cents", BigInteger, nullable=False),
    Column("credit_balance", BigInteger, nullable=False, server_default=text("0")),
    Column("ledger_version", BigInteger, nullable=False, server_default=text("0")),  # the number of the newest entry
    words("persona", default=""),
    words("knowledge", default=""),
    Column("model", Text),  # NULL: the model of the configuration
    moment_of_writing(),
    moment_of_writing("updated_at"),
    Column("embed_origins", ARRAY(Text), nullable=False, server_default=text("'{}'")),  # whose pages may show the chat
    UniqueConstraint("name"),
    one_of("status", ChannelStatus),
    CheckConstraint("name = lower(name) AND name <> ''", name="name_is_lower_case"),
    CheckConstraint("(status = 'PENDING') = (activated_at IS NULL)", name="activated_once"),
    CheckConstraint("activation_goal_cents > 0", name="activation_goal"),
    CheckConstraint("activation_funding_cents BETWEEN 0 AND activation_goal_cents", name="activation_funding"),
    CheckConstraint("credit_balance >= 0", name="credit_balance"),
    CheckConstraint("ledger_version >= 0", name="ledger_version"),
    CheckConstraint("cardinality(embed_origins) <= 20", name="embed_origins"),
    postgresql_with={"fillfactor": 50},  # the row that every charge updates: room for heap-only tuples
)
Index(
    "ix_channel_embed_origins",
    channel.c.embed_origins,
    postgresql_using="gin",
    postgresql_where=channel.c.embed_origins != text("'{}'"),
)

channel_context = Table(
    "channel_context",
    metadata,
    id_column(),
    reference("channel_id", "channel"),
    words("persona"),
    words("knowledge"),
    Column("tokens", Integer, nullable=False),
    sha256_column("sha256"),
    moment_of_writing(),
    UniqueConstraint("channel_id", "sha256"),
    sha256_check("sha256"),
    CheckConstraint("tokens BETWEEN 0 AND 3400", name="tokens"),
)

channel_metrics = Table(
    "channel_metrics",
    metadata,
    id_column(),
    reference("channel_id", "channel"),
    Column("date", Date, nullable=False),  # a day in UTC
    Column("views", BigInteger, nullable=False, server_default=text("0")),
    Column("chats", BigInteger, nullable=False, server_default=text("0")),
    UniqueConstraint("channel_id", "date"),
    CheckConstraint("views >= 0 AND chats >= 0", name="counts"),
    postgresql_with={"fillfactor": 70},
)

channel_boost = Table(
    "channel_boost",
    metadata,
    id_column(),
    reference("channel_id", "channel"),
    words("boost_type"),
    Column("value", BigInteger, nullable=False),
    reference("granted_by", "user", optional=True),
    moment_of_writing(),
    moment("expires_at"),  # NULL: never
    one_of("boost_type", ChannelBoostType),
    CheckConstraint("value > 0", name="value"),
)
Index("ix_channel_boost_channel_id", channel_boost.c.channel_id)
