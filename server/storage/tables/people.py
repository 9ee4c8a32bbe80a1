"""Users, the accounts they sign in with, sessions (a visitor is a session without a user) and API keys."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)

from server.domain.pictures import Picture
from server.domain.users import UserRole
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

user = Table(
    "user",
    metadata,
    id_column(),
    Column("name", Text),
    Column("email", Text),
    moment("email_verified"),
    Column("username", Text),  # chosen on the first sign-in: NULL until then
    Column("image", Text),
    words("role", default=UserRole.USER),
    Column("amounts_public", Boolean, nullable=False, server_default=text("false")),
    moment_of_writing(),
    moment("deleted_at"),  # the person is gone and the columns above are empty; the row stays for the ledger
    Column("display_name", Text),  # what the profile says beside the username; `name` is the provider's, and private
    moment("erased_at"),  # after `deleted_at`: the chats are erased too
    words("picture", default=Picture.INITIALS),
    one_of("role", UserRole),
    one_of("picture", Picture),
)
Index("uq_user_username", func.lower(user.c.username), unique=True)
Index(
    "ix_user_to_erase",
    user.c.deleted_at,
    postgresql_where=user.c.deleted_at.is_not(None) & user.c.erased_at.is_(None),
)
Index(
    "ix_user_email",
    func.lower(user.c.email),
    postgresql_where=user.c.email_verified.is_not(None) & user.c.deleted_at.is_(None),
)

account = Table(
    "account",
    metadata,
    id_column(),
    reference("user_id", "user"),
    words("type"),
    words("provider"),
    words("provider_account_id"),
    Column("refresh_token", LargeBinary),  # the three tokens are encrypted before they come here
    Column("access_token", LargeBinary),
    moment("expires_at"),
    Column("token_type", Text),
    Column("scope", Text),
    Column("id_token", LargeBinary),
    moment_of_writing(),
    moment("refreshing_until"),  # one node asks the provider for new tokens; NULL: none does
    UniqueConstraint("provider", "provider_account_id"),
)
Index("ix_account_user_id", account.c.user_id)

session = Table(
    "session",
    metadata,
    id_column(),
    sha256_column("token_hash", optional=True),  # NULL: signed out, expired, or a session that an API key owns
    reference("user_id", "user", optional=True),  # who claimed it; set once
    Column("display_name", Text),  # how a visitor wants to be called
    moment_of_writing(),
    moment_of_writing("last_seen_at"),
    moment("expires_at", required=True),
    Column("device", Text),  # such as "Firefox on Windows"; NULL: the browser did not say
    moment("signed_in_at"),  # when the token was made anew; NULL: a visitor's
    sha256_column("former_hash", optional=True),  # the token before that: it opens nothing, and is known
    reference("embed_channel_id", "channel", optional=True),  # in whose frame it was begun; NULL: it has a cookie
    Column("embed_origin", Text),  # whose requests may bring its token; NULL: it has a cookie
    UniqueConstraint("token_hash"),
    sha256_check("token_hash"),
    sha256_check("former_hash"),
    CheckConstraint("(embed_channel_id IS NULL) = (embed_origin IS NULL)", name="embed_is_whole"),
    postgresql_with={"fillfactor": 80},
)
Index("ix_session_former_hash", session.c.former_hash, postgresql_where=session.c.former_hash.is_not(None))
Index("ix_session_user_id", session.c.user_id, postgresql_where=session.c.user_id.is_not(None))

api_key = Table(
    "api_key",
    metadata,
    id_column(),
    reference("session_id", "session"),
    reference("user_id", "user", optional=True),  # its owner; NULL: made on the command line for nobody
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{chat,read}'")),
    sha256_column("hash"),
    words("name"),
    moment_of_writing(),
    moment("revoked_at"),
    moment("last_used_at"),
    UniqueConstraint("hash"),
    sha256_check("hash"),
    CheckConstraint("scopes <@ '{chat,read,admin}' AND cardinality(scopes) > 0", name="scopes_are_known"),
)
Index("ix_api_key_session_id", api_key.c.session_id)
Index("ix_api_key_user_id", api_key.c.user_id, postgresql_where=api_key.c.user_id.is_not(None))
