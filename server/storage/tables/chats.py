"""Chats, who takes part in them, their messages, what was shared of them, and the nodes that own them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from server.domain.chats import ChatState, CreditState, MessageStatus, MessageType
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

chat = Table(
    "chat",
    metadata,
    id_column(),
    reference("user_id", "user", optional=True),
    reference("session_id", "session"),  # who opened it; stays when a user claims the session
    reference("channel_id", "channel"),
    Column("title", Text),
    words("state", default=ChatState.OPEN),
    words("credit_state", default=CreditState.NONE),
    Column("tokens_used", Integer, nullable=False),
    Column("token_cap", Integer, nullable=False, server_default=text("50000")),
    reference("context_id", "channel_context"),
    Column("context_tokens", Integer, nullable=False),
    words("open_idem"),
    Column("owner_node", Uuid),  # no reference: a node's row may go before the chats that it owned
    Column("epoch", BigInteger, nullable=False, server_default=text("1")),
    Column("address_digest", Text),  # with quota_day: the subject and the day of the visitor quota it counted on
    Column("quota_day", Date),
    moment_of_writing(),
    moment("charged_at"),
    moment("first_token_at"),
    moment("last_message_at"),
    moment("deleted_at"),  # text and title are erased; the row stays for the ledger
    UniqueConstraint("session_id", "open_idem"),
    one_of("state", ChatState),
    one_of("credit_state", CreditState),
    CheckConstraint("tokens_used BETWEEN context_tokens AND token_cap", name="tokens_used"),
    CheckConstraint("token_cap BETWEEN 1 AND 50000", name="token_cap"),
    CheckConstraint("context_tokens BETWEEN 0 AND 3400", name="context_tokens"),
    CheckConstraint("epoch > 0", name="epoch"),
    CheckConstraint("(credit_state = 'NONE') = (charged_at IS NULL)", name="charged_at"),
    CheckConstraint("(credit_state = 'SPENT') = (first_token_at IS NOT NULL)", name="first_token_at"),
    CheckConstraint("credit_state <> 'REFUNDED' OR state = 'CLOSED'", name="refunded_is_closed"),
    CheckConstraint("state <> 'ANSWERING' OR owner_node IS NOT NULL", name="answering_is_owned"),
    postgresql_with={"fillfactor": 70},
)
Index("ix_chat_answering", chat.c.owner_node, postgresql_where=chat.c.state == text("'ANSWERING'"))
Index(
    "ix_chat_user",
    chat.c.user_id,
    chat.c.last_message_at.desc(),
    chat.c.id.desc(),
    postgresql_where=chat.c.user_id.is_not(None),
)
Index(
    "ix_chat_unclaimed",
    chat.c.session_id,
    chat.c.last_message_at.desc(),
    chat.c.id.desc(),
    postgresql_where=chat.c.user_id.is_(None),
)
Index("ix_chat_empty", chat.c.created_at, postgresql_where=chat.c.last_message_at.is_(None))
Index("ix_chat_channel_id", chat.c.channel_id)

chat_member = Table(
    "chat_member",
    metadata,
    reference("chat_id", "chat"),
    Column("ref", Integer, nullable=False, autoincrement=False),  # 1, 2, 3 …: all that others see of who it is
    reference("user_id", "user", optional=True),
    reference("session_id", "session"),
    moment_of_writing("joined_at"),
    PrimaryKeyConstraint("chat_id", "ref"),
    UniqueConstraint("chat_id", "session_id"),
    CheckConstraint("ref > 0", name="ref"),
)
Index("ix_chat_member_user_id", chat_member.c.user_id, postgresql_where=chat_member.c.user_id.is_not(None))
Index("ix_chat_member_unclaimed", chat_member.c.session_id, postgresql_where=chat_member.c.user_id.is_(None))

message = Table(
    "message",
    metadata,
    id_column(),
    reference("chat_id", "chat"),
    Column("seq", Integer, nullable=False),  # its place in the chat: 1, 2, 3 …
    words("type"),
    words("content", default=""),
    Column("tokens", Integer, nullable=False, server_default=text("0")),
    words("status"),
    Column("author", Integer),  # chat_member.ref; NULL: the AI
    reference("parent_id", "message", optional=True),
    Column("model", Text),
    Column("prompt_tokens", Integer),  # the provider's own figures; NULL: it sent none
    Column("completion_tokens", Integer),
    Column("idem", Text),  # NULL on an answer that a message asked for
    moment_of_writing(),
    UniqueConstraint("chat_id", "seq"),
    UniqueConstraint("chat_id", "idem"),
    ForeignKeyConstraint(["chat_id", "author"], ["chat_member.chat_id", "chat_member.ref"], name="fk_message_author"),
    one_of("type", MessageType),
    one_of("status", MessageStatus),
    CheckConstraint("seq > 0", name="seq"),
    CheckConstraint("tokens >= 0", name="tokens"),
    CheckConstraint("(type = 'USER') = (author IS NOT NULL)", name="author"),
    CheckConstraint("type = 'AI' OR status = 'DONE'", name="user_message_is_done"),
    postgresql_with={"fillfactor": 90},
)
Index("ix_message_parent_id", message.c.parent_id, postgresql_where=message.c.parent_id.is_not(None))

shared_chat = Table(
    "shared_chat",
    metadata,
    id_column(),
    reference("user_id", "user"),
    reference("chat_id", "chat"),
    words("mode"),
    words("title"),
    Column("content", JSONB),  # the frozen copy of a VIEW; NULL on a live link
    sha256_column("token_hash"),
    moment_of_writing(),
    moment("expires_at"),
    moment("revoked_at"),
    UniqueConstraint("token_hash"),
    sha256_check("token_hash"),
    one_of("mode", ("VIEW", "PARTICIPATE")),
    CheckConstraint("(mode = 'VIEW') = (content IS NOT NULL)", name="content"),
)
Index("ix_shared_chat_user_id", shared_chat.c.user_id)
Index("ix_shared_chat_chat_id", shared_chat.c.chat_id)

node = Table(
    "node",
    metadata,
    id_column(),
    moment("lease_until", required=True),
    moment_of_writing("started_at"),
    postgresql_with={"fillfactor": 50},
)
