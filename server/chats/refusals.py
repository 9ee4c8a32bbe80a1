"""Why a message or a chat is refused, in the words that everybody hears."""

from datetime import datetime, timedelta

from server.domain.errors import Code, Refusal


def not_found() -> Refusal:
    """Absent and not yours look the same."""
    return Refusal(Code.NOT_FOUND, "There is no such chat.")


def no_credit() -> Refusal:
    """The channel has nothing left to start a chat with."""
    return Refusal(Code.NO_CREDIT, "No credits are left on this channel. You were not charged.")


def off_air() -> Refusal:
    """The channel is not ACTIVE."""
    return Refusal(Code.CHANNEL_INACTIVE, "This channel is off air: its chats can be read, not continued.")


def busy_elsewhere() -> Refusal:
    """A visitor has one answer at a time."""
    return Refusal(Code.BUSY, "An answer is running in another chat of yours.")


def quota_exceeded(limit_chats: int, now: datetime) -> Refusal:
    """A visitor's chats of this UTC day are used up."""
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return Refusal(
        Code.QUOTA_EXCEEDED,
        f"Visitors may start {limit_chats:,} chats a day.",
        after_seconds=(midnight - now).total_seconds(),
        details={"limit": limit_chats},
    )
