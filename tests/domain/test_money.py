"""Cents become funding or credits, and no cent is lost between the two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.channels import ChannelStatus
from server.domain.errors import Code, Refusal
from server.domain.money import (
    MAX_CONTRIBUTION_CENTS,
    Funding,
    Share,
    credits_for,
    credits_to_reverse,
    quote,
    split,
)
from server.domain.transactions import TransactionType

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE
AMOUNTS = st.integers(1, MAX_CONTRIBUTION_CENTS)
RATES = st.integers(1, 100_000)


@st.composite
def channels(draw: st.DrawFn) -> Funding:
    goal_cents = draw(st.integers(1, 10_000_000))
    status = draw(st.sampled_from(ChannelStatus))
    return Funding(status, draw(st.integers(0, goal_cents)), goal_cents)


def pending(funding_cents: int) -> Funding:
    return Funding(ChannelStatus.PENDING, funding_cents, 1_000)


@pytest.mark.parametrize(
    ("amount_cents", "credits_per_dollar", "credits_bought"),
    [(500, 10, 50), (9, 10, 0), (10, 10, 1), (19, 10, 1), (1, 100, 1), (99, 1, 0)],
)
def test_credits_are_rounded_down(amount_cents: int, credits_per_dollar: int, credits_bought: int) -> None:
    assert credits_for(amount_cents, credits_per_dollar) == credits_bought


def test_what_is_over_the_goal_becomes_credits() -> None:
    assert split(ACTIVATION, 1_000, 10, pending(600)) == (
        Share(ACTIVATION, 400, 0),
        Share(CREDIT_PURCHASE, 600, 60),
    )


def test_a_surplus_of_a_cent_buys_one_credit() -> None:
    assert split(ACTIVATION, 401, 10, pending(600)) == (Share(ACTIVATION, 400, 0), Share(CREDIT_PURCHASE, 1, 1))


def test_an_activation_within_the_goal_buys_no_credits() -> None:
    assert split(ACTIVATION, 400, 10, pending(600)) == (Share(ACTIVATION, 400, 0),)


@pytest.mark.parametrize("status", [ChannelStatus.ACTIVE, ChannelStatus.INACTIVE])
def test_an_activation_that_comes_too_late_becomes_credits_even_below_the_goal(status: ChannelStatus) -> None:
    assert split(ACTIVATION, 300, 10, Funding(status, 700, 1_000)) == (Share(CREDIT_PURCHASE, 300, 30),)


@given(asked=st.sampled_from(TransactionType), amount_cents=AMOUNTS, credits_per_dollar=RATES, channel=channels())
def test_a_split_loses_no_cent_and_never_passes_the_goal(
    asked: TransactionType, amount_cents: int, credits_per_dollar: int, channel: Funding
) -> None:
    shares = split(asked, amount_cents, credits_per_dollar, channel)
    funded_cents = sum(share.amount_cents for share in shares if share.type is ACTIVATION)
    assert sum(share.amount_cents for share in shares) == amount_cents
    assert channel.funding_cents + funded_cents <= channel.goal_cents
    assert all(share.amount_cents > 0 for share in shares)
    assert all((share.credits > 0) == (share.type is CREDIT_PURCHASE) for share in shares)
    assert len({share.type for share in shares}) == len(shares)


@pytest.mark.parametrize("amount_cents", [0, -1, MAX_CONTRIBUTION_CENTS + 1])
def test_an_amount_out_of_bounds_is_refused(amount_cents: int) -> None:
    with pytest.raises(Refusal) as refused:
        quote(ACTIVATION, amount_cents, 10, pending(0), allow_credits_on_pending=False)
    assert refused.value.code is Code.BAD_REQUEST


def test_credits_that_are_asked_for_must_be_one_at_least() -> None:
    channel = Funding(ChannelStatus.ACTIVE, 1_000, 1_000)
    with pytest.raises(Refusal) as refused:
        quote(CREDIT_PURCHASE, 9, 10, channel, allow_credits_on_pending=False)
    assert refused.value.code is Code.BAD_REQUEST
    assert quote(CREDIT_PURCHASE, 10, 10, channel, allow_credits_on_pending=False) == (Share(CREDIT_PURCHASE, 10, 1),)


def test_credits_for_a_pending_channel_need_the_setting() -> None:
    with pytest.raises(Refusal) as refused:
        quote(CREDIT_PURCHASE, 500, 10, pending(0), allow_credits_on_pending=False)
    assert refused.value.code is Code.CHANNEL_PENDING
    assert quote(CREDIT_PURCHASE, 500, 10, pending(0), allow_credits_on_pending=True)[0].credits == 50


def test_a_channel_off_air_takes_no_contribution() -> None:
    with pytest.raises(Refusal) as refused:
        quote(ACTIVATION, 500, 10, Funding(ChannelStatus.INACTIVE, 0, 1_000), allow_credits_on_pending=False)
    assert refused.value.code is Code.CHANNEL_INACTIVE


@given(
    amount_cents=AMOUNTS,
    credits_bought=st.integers(0, 10**12),
    cuts=st.lists(st.floats(0, 1), max_size=20),
)
def test_the_parts_of_a_reversed_purchase_give_its_credits_and_never_more_than_their_share(
    amount_cents: int, credits_bought: int, cuts: list[float]
) -> None:
    reversed_cents = taken = 0
    for end_cents in [*sorted(int(cut * amount_cents) for cut in cuts), amount_cents]:
        part = credits_to_reverse(
            amount_cents, credits_bought, reversed_cents=reversed_cents, more_cents=end_cents - reversed_cents
        )
        assert part >= 0
        taken, reversed_cents = taken + part, end_cents
        assert taken * amount_cents <= credits_bought * reversed_cents
    assert taken == credits_bought
