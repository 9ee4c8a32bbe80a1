"""Badges: what there is to earn, and who earned it, as a user or in a visitor's session."""

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from server.storage.tables.base import id_column, metadata, moment_of_writing, reference, words

badge = Table(
    "badge",
    metadata,
    id_column(),
    words("name"),
    words("description"),
    words("icon"),
    Column("criteria", JSONB, nullable=False),
    Column("position", Integer, nullable=False),  # the order on the page of all badges
    moment_of_writing(),
    UniqueConstraint("name"),
)

user_badge = Table(
    "user_badge",
    metadata,
    id_column(),
    reference("user_id", "user"),
    reference("badge_id", "badge"),
    reference("channel_id", "channel", optional=True),  # NULL: earned across channels
    reference("transaction_id", "transaction", optional=True),
    moment_of_writing("earned_at"),
    UniqueConstraint(
        "user_id", "badge_id", "channel_id", name="uq_user_badge_once", postgresql_nulls_not_distinct=True
    ),
)
Index("ix_user_badge_channel", user_badge.c.channel_id, user_badge.c.badge_id, user_badge.c.earned_at.desc())

session_badge = Table(
    "session_badge",
    metadata,
    id_column(),
    reference("session_id", "session"),
    # A list of {badgeId, channelId, earnedAt, transactionId}.
    Column("badges", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    UniqueConstraint("session_id"),
    CheckConstraint("jsonb_typeof(badges) = 'array'", name="badges"),
)
Index(
    "ix_session_badge_badges",
    session_badge.c.badges,
    postgresql_using="gin",
    postgresql_ops={"badges": "jsonb_path_ops"},
    postgresql_with={"fastupdate": "off"},  # looked at with every channel's page, and seldom written
)
