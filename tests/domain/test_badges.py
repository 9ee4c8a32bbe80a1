"""What a history earns is a function of it, whether it is replayed as a whole or brought forward gift by gift."""

from datetime import UTC, datetime, timedelta
from itertools import groupby
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from server.domain.badge_progress import Progress, Standing, next_steps, progress
from server.domain.badges import Badge, Gift, Tally, earned_by, earned_by_chats, evaluate
from server.domain.criteria import Criterion, CriterionKind
from server.domain.transactions import TransactionType

ACTIVATION, CREDIT_PURCHASE = TransactionType.ACTIVATION, TransactionType.CREDIT_PURCHASE
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CHANNELS = [UUID(int=number) for number in range(1, 6)]


def badge(kind: CriterionKind, number: int = 1) -> Badge:
    id_ = UUID(int=1_000 * list(CriterionKind).index(kind) + number)
    return Badge(id_, f"{kind} {number}", "", "star", Criterion(kind, number), id_.int)


ALL = [
    badge(CriterionKind.CONTRIBUTIONS),
    badge(CriterionKind.CONTRIBUTIONS, 5),
    badge(CriterionKind.HELPED_TO_ACTIVATE),
    badge(CriterionKind.CLOSED_GOAL),
    badge(CriterionKind.CREDITS_BOUGHT, 10),
    badge(CriterionKind.CREDITS_BOUGHT, 100),
    badge(CriterionKind.CHANNELS_SUPPORTED, 3),
    badge(CriterionKind.EARLY_SUPPORTER, 10),
    badge(CriterionKind.CHATS),
    badge(CriterionKind.CHATS, 2),
]


def gift(
    number: int = 1,
    *,
    channel: int = 0,
    type_: TransactionType = CREDIT_PURCHASE,
    credits_: int = 0,
    closed_goal: bool = False,
    place: int | None = None,
    contribution: int | None = None,
) -> Gift:
    return Gift(
        UUID(int=10_000 + number),
        UUID(int=20_000 + (number if contribution is None else contribution)),
        CHANNELS[channel],
        type_,
        credits_,
        BEGIN + timedelta(minutes=number),
        closed_goal,
        place,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Gift]:
    """Contributions of one or two transactions, in the order of their times; places on first gifts alone."""
    gifts: list[Gift] = []
    for number in range(draw(st.integers(0, 12))):
        channel = draw(st.integers(0, 4))
        is_new = all(one.channel_id != CHANNELS[channel] for one in gifts)
        place = draw(st.integers(1, 15)) if is_new else None
        if draw(st.booleans()):
            closed = draw(st.booleans())
            gifts.append(
                gift(
                    2 * number, channel=channel, type_=ACTIVATION, closed_goal=closed, place=place, contribution=number
                )
            )
            place = None
        if draw(st.booleans()) or not gifts or gifts[-1].contribution_id != UUID(int=20_000 + number):
            credits_ = draw(st.integers(1, 120))
            gifts.append(gift(2 * number + 1, channel=channel, credits_=credits_, place=place, contribution=number))
    return gifts


@given(histories())
def test_bringing_a_history_forward_earns_what_replaying_it_earns(gifts: list[Gift]) -> None:
    tally, earned = Tally(), []
    held: set[tuple[UUID, UUID | None]] = set()
    for _, settled in groupby(gifts, key=lambda one: one.contribution_id):
        more = earned_by(ALL, tally, settled, held)
        held |= {holding.key for holding in more}
        earned += more
    assert sorted(earned, key=lambda one: one.earned_at) == evaluate(ALL, gifts, [])


@given(histories(), st.data())
def test_a_history_without_some_gifts_never_earns_more(gifts: list[Gift], data: st.DataObject) -> None:
    fewer = [one for one in gifts if data.draw(st.booleans())]
    assert {one.key for one in evaluate(ALL, fewer, [])} <= {one.key for one in evaluate(ALL, gifts, [])}


@given(histories())
def test_each_badge_is_earned_once_on_each_channel_with_the_gift_of_that_time(gifts: list[Gift]) -> None:
    earned = evaluate(ALL, gifts, [])
    assert len({one.key for one in earned}) == len(earned)
    times = {one.transaction_id: one.at for one in gifts}
    assert all(one.transaction_id and times[one.transaction_id] == one.earned_at for one in earned)


def test_two_transactions_of_one_contribution_are_one_contribution() -> None:
    tally = Tally()
    earned_by([], tally, [gift(1, type_=ACTIVATION, contribution=1), gift(2, credits_=5, contribution=1)], set())
    assert (tally.contributions, tally.channels) == (1, 1)


def test_credits_are_counted_for_each_channel() -> None:
    credits_10 = badge(CriterionKind.CREDITS_BOUGHT, 10)
    apart = [gift(1, channel=0, credits_=9), gift(2, channel=1, credits_=9)]
    assert evaluate([credits_10], apart, []) == []
    (holding,) = evaluate([credits_10], [*apart, gift(3, channel=1, credits_=1)], [])
    assert holding.channel_id == CHANNELS[1]
    assert holding.transaction_id == gift(3).transaction_id


def test_an_early_supporter_is_among_the_first_up_to_the_last_place() -> None:
    early = [badge(CriterionKind.EARLY_SUPPORTER, 10)]
    assert evaluate(early, [gift(place=10)], [])
    assert not evaluate(early, [gift(place=11)], [])
    assert not evaluate(early, [gift(place=None)], [])


def test_chats_earn_at_the_time_of_the_one_that_reaches_the_number() -> None:
    chats = [BEGIN, BEGIN + timedelta(days=1)]
    two = [badge(CriterionKind.CHATS), badge(CriterionKind.CHATS, 2)]
    assert [one.earned_at for one in evaluate(two, [], chats)] == chats
    assert earned_by_chats(two, chats, {(two[0].id, None), (two[1].id, None)}) == []


def test_progress_ends_at_what_is_needed() -> None:
    tally = Tally(contributions=7, channels=2, credits={CHANNELS[0]: 30, CHANNELS[1]: 400})
    assert progress(Criterion(CriterionKind.CONTRIBUTIONS, 5), Standing(tally, 0)) == Progress(5, 5)
    assert progress(Criterion(CriterionKind.CHANNELS_SUPPORTED, 3), Standing(tally, 0)) == Progress(2, 3)
    assert progress(Criterion(CriterionKind.CREDITS_BOUGHT, 1_000), Standing(tally, 0)) == Progress(
        400, 1_000, CHANNELS[1]
    )
    assert progress(Criterion(CriterionKind.CHATS, 2), Standing(tally, 1)) == Progress(1, 2)
    assert progress(Criterion(CriterionKind.CLOSED_GOAL), Standing(tally, 0)) is None


def test_nobody_has_credits_on_no_channel() -> None:
    assert progress(Criterion(CriterionKind.CREDITS_BOUGHT, 10), Standing(Tally(), 0)) == Progress(0, 10)


def test_the_next_steps_are_the_nearest_that_are_not_held_one_of_each_kind() -> None:
    tally = Tally(contributions=1, channels=1, credits={CHANNELS[0]: 20})
    held = {badge(CriterionKind.CONTRIBUTIONS).id, badge(CriterionKind.CREDITS_BOUGHT, 10).id}
    steps = next_steps(reversed(ALL), held, Standing(tally, 0))
    assert [(one.criterion, step) for one, step in steps] == [
        (Criterion(CriterionKind.CONTRIBUTIONS, 5), Progress(1, 5)),
        (Criterion(CriterionKind.CREDITS_BOUGHT, 100), Progress(20, 100, CHANNELS[0])),
        (Criterion(CriterionKind.CHANNELS_SUPPORTED, 3), Progress(1, 3)),
        (Criterion(CriterionKind.CHATS), Progress(0, 1)),
    ]
