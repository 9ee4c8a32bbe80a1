"""The credit ledger: one numbered, append-only row for every change of a channel's balance."""

from sqlalchemy import BigInteger, CheckConstraint, Column, PrimaryKeyConstraint, Table, Text, UniqueConstraint, Uuid

from server.domain.transactions import CreditEntryKind
from server.storage.tables.base import metadata, moment_of_writing, one_of, reference, words

credit_entry = Table(
    "credit_entry",
    metadata,
    reference("channel_id", "channel"),
    Column("channel_seq", BigInteger, nullable=False, autoincrement=False),  # 1, 2, 3 … of this channel, no hole
    words("kind"),
    Column("delta", BigInteger, nullable=False),
    Column("balance_after", BigInteger, nullable=False),
    reference("chat_id", "chat", optional=True),
    # The id of the purchase's or reversal's transaction, or the id that the author of an adjustment made.
    Column("source_id", Uuid),
    Column("reason", Text),
    moment_of_writing(),
    PrimaryKeyConstraint("channel_id", "channel_seq"),
    UniqueConstraint("chat_id", "kind"),
    UniqueConstraint("source_id"),
    one_of("kind", CreditEntryKind),
    CheckConstraint("channel_seq > 0", name="channel_seq"),
    CheckConstraint("balance_after >= 0", name="balance_after"),
    CheckConstraint(
        "CASE kind WHEN 'CHAT' THEN delta = -1 WHEN 'REFUND' THEN delta = 1 WHEN 'PURCHASE' THEN delta > 0"
        " ELSE delta <> 0 END",
        name="delta",
    ),
    CheckConstraint("(kind IN ('CHAT', 'REFUND')) = (chat_id IS NOT NULL)", name="of_a_chat"),
    CheckConstraint("(kind IN ('PURCHASE', 'ADJUST')) = (source_id IS NOT NULL)", name="of_a_source"),
    CheckConstraint("kind <> 'ADJUST' OR reason IS NOT NULL", name="adjustment_has_reason"),
)
