"""A channel's life: on air once its goal is reached, off air when an admin says so, never back to the beginning."""

from enum import StrEnum

from server.domain.errors import Code, Refusal


class ChannelStatus(StrEnum):
    """Where a channel is in its life."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class ChannelEvent(StrEnum):
    """What moves a channel from one status to another."""

    GOAL_REACHED = "goal reached"
    TAKEN_OFF_AIR = "taken off air"
    PUT_BACK_ON_AIR = "put back on air"


class ChannelBoostType(StrEnum):
    """What a boost gives: earlier messages the model is sent, output tokens an answer, the channel's tuned model."""

    MEMORY = "MEMORY"
    TOKENS = "TOKENS"
    FINE_TUNING = "FINE_TUNING"


TRANSITIONS = {
    (ChannelStatus.PENDING, ChannelEvent.GOAL_REACHED): ChannelStatus.ACTIVE,
    (ChannelStatus.ACTIVE, ChannelEvent.TAKEN_OFF_AIR): ChannelStatus.INACTIVE,
    (ChannelStatus.INACTIVE, ChannelEvent.PUT_BACK_ON_AIR): ChannelStatus.ACTIVE,
}
"""Every change there is. None leads to PENDING, and only the goal leads out of it."""


def after(status: ChannelStatus, event: ChannelEvent) -> ChannelStatus:
    """The status that follows.

    Raises:
        Refusal: ``conflict`` when the event cannot happen in this status.
    """
    following = TRANSITIONS.get((status, event))
    if following is None:
        raise Refusal(Code.CONFLICT, f"A channel that is {status} cannot be {event}.")
    return following


def refusal_of_chat(status: ChannelStatus) -> Refusal | None:
    """Why a channel of this status takes no chat; None means that it does."""
    if status is ChannelStatus.PENDING:
        return Refusal(Code.CHANNEL_PENDING, "This channel is not on air yet: its activation goal is not reached.")
    if status is ChannelStatus.INACTIVE:
        return Refusal(Code.CHANNEL_INACTIVE, "This channel is off air: its chats can be read, not continued.")
    return None
