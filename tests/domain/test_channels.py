"""A channel goes on air once, and never back to the beginning."""

import pytest

from server.domain.channels import TRANSITIONS, ChannelEvent, ChannelStatus, after, refusal_of_chat
from server.domain.errors import Code, Refusal


def test_the_goal_puts_a_channel_on_air_once() -> None:
    assert after(ChannelStatus.PENDING, ChannelEvent.GOAL_REACHED) is ChannelStatus.ACTIVE
    with pytest.raises(Refusal) as refused:
        after(ChannelStatus.ACTIVE, ChannelEvent.GOAL_REACHED)
    assert refused.value.code is Code.CONFLICT


def test_nothing_leads_back_to_pending() -> None:
    assert ChannelStatus.PENDING not in TRANSITIONS.values()


def test_an_admin_takes_a_channel_off_air_and_puts_it_back() -> None:
    off_air = after(ChannelStatus.ACTIVE, ChannelEvent.TAKEN_OFF_AIR)
    assert off_air is ChannelStatus.INACTIVE
    assert after(off_air, ChannelEvent.PUT_BACK_ON_AIR) is ChannelStatus.ACTIVE


def test_an_admin_cannot_put_a_pending_channel_on_air() -> None:
    with pytest.raises(Refusal):
        after(ChannelStatus.PENDING, ChannelEvent.PUT_BACK_ON_AIR)


@pytest.mark.parametrize(
    ("status", "code"),
    [(ChannelStatus.PENDING, Code.CHANNEL_PENDING), (ChannelStatus.INACTIVE, Code.CHANNEL_INACTIVE)],
)
def test_only_a_channel_on_air_takes_chats(status: ChannelStatus, code: Code) -> None:
    refusal = refusal_of_chat(status)
    assert refusal is not None
    assert refusal.code is code
    assert refusal_of_chat(ChannelStatus.ACTIVE) is None
