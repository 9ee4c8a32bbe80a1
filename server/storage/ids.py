"""Where ids come from: UUIDv7, made here and never by the database.

A caller that made the id before the write can repeat the write after a lost reply; ids sort by the time they were made.
"""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562, section 5.7): later ids of one process are greater."""
    return uuid7()
