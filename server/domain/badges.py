"""Badges, and what a history has earned.

What somebody holds is a function of their history, without what was reversed: `evaluate` replays it from the beginning,
`earned_by` adds the newest gifts to what was before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from server.domain.criteria import Criterion, CriterionKind
from server.domain.transactions import TransactionType


@dataclass(frozen=True, slots=True)
class Badge:
    """One that can be earned.

    Attributes:
        icon: the name of its drawing in ``static/badges``.
        position: the order among all badges.
    """

    id: UUID
    name: str
    description: str
    icon: str
    criterion: Criterion
    position: int


@dataclass(frozen=True, slots=True)
class Gift:
    """One transaction that stands: no reversal, and not reversed as a whole.

    Attributes:
        credits: bought, without what was reversed; 0 on an activation.
        closed_goal: whether the channel reached its goal with it.
        place: on the giver's first gift to the channel, which giver of the channel they are with it: 1, 2, 3 …; None on
            later gifts, and beyond the places that were looked at.
    """

    transaction_id: UUID
    contribution_id: UUID
    channel_id: UUID
    type: TransactionType
    credits: int
    at: datetime
    closed_goal: bool = False
    place: int | None = None


@dataclass(slots=True)
class Tally:
    """What a giver has given up to some moment; `add` brings it forward.

    Attributes:
        contributions, channels: how many.
        credits: bought for each channel. On `earned_by` only the channel of the new gifts matters.
        channel_ids, contribution_ids: what `add` does not count again; each is counted in the figures.
    """

    contributions: int = 0
    channels: int = 0
    credits: dict[UUID, int] = field(default_factory=dict)
    channel_ids: set[UUID] = field(default_factory=set)
    contribution_ids: set[UUID] = field(default_factory=set)

    def add(self, gift: Gift) -> None:
        """Count one more gift."""
        if gift.contribution_id not in self.contribution_ids:
            self.contribution_ids.add(gift.contribution_id)
            self.contributions += 1
        if gift.channel_id not in self.channel_ids:
            self.channel_ids.add(gift.channel_id)
            self.channels += 1
        self.credits[gift.channel_id] = self.credits.get(gift.channel_id, 0) + gift.credits


@dataclass(frozen=True, slots=True)
class Holding:
    """A badge that somebody holds.

    Attributes:
        channel_id: on which it was earned; None: across channels.
        transaction_id: the transaction that earned it; None: a chat did.
    """

    badge_id: UUID
    channel_id: UUID | None
    earned_at: datetime
    transaction_id: UUID | None = None

    @property
    def key(self) -> tuple[UUID, UUID | None]:
        """What somebody holds once."""
        return self.badge_id, self.channel_id


def evaluate(badges: Iterable[Badge], gifts: Iterable[Gift], chats: Sequence[datetime]) -> list[Holding]:
    """All that a whole history has earned, in the order in which it was earned.

    Args:
        gifts: in the order of their times.
        chats: when the first chats became final, in order; as many as the badges ask for are enough.
    """
    badges = list(badges)
    holdings = [*earned_by(badges, Tally(), gifts, set()), *earned_by_chats(badges, chats, set())]
    return sorted(holdings, key=lambda holding: holding.earned_at)


def earned_by(
    badges: Iterable[Badge], tally: Tally, gifts: Iterable[Gift], held: set[tuple[UUID, UUID | None]]
) -> list[Holding]:
    """What these gifts earn after all that the tally has counted; the tally is brought forward.

    Args:
        gifts: in the order of their times.
        held: keys of what is held already (`Holding.key`).
    """
    badges, held, earned = list(badges), set(held), []
    for gift in gifts:
        tally.add(gift)
        for badge in badges:
            channel_id = gift.channel_id if badge.criterion.kind.is_per_channel else None
            if (badge.id, channel_id) not in held and _is_met(badge.criterion, tally, gift):
                held.add((badge.id, channel_id))
                earned.append(Holding(badge.id, channel_id, gift.at, gift.transaction_id))
    return earned


def earned_by_chats(
    badges: Iterable[Badge], chats: Sequence[datetime], held: set[tuple[UUID, UUID | None]]
) -> list[Holding]:
    """What chats earn. Arguments as above."""
    return [
        Holding(badge.id, None, chats[badge.criterion.number - 1])
        for badge in badges
        if badge.criterion.kind is CriterionKind.CHATS
        and (badge.id, None) not in held
        and len(chats) >= badge.criterion.number
    ]


def _is_met(criterion: Criterion, tally: Tally, gift: Gift) -> bool:
    reached = {
        CriterionKind.CONTRIBUTIONS: tally.contributions,
        CriterionKind.HELPED_TO_ACTIVATE: gift.type is TransactionType.ACTIVATION,
        CriterionKind.CLOSED_GOAL: gift.closed_goal,
        CriterionKind.CREDITS_BOUGHT: tally.credits[gift.channel_id],
        CriterionKind.CHANNELS_SUPPORTED: tally.channels,
        CriterionKind.CHATS: 0,
    }
    if criterion.kind is CriterionKind.EARLY_SUPPORTER:
        return gift.place is not None and gift.place <= criterion.number
    return reached[criterion.kind] >= criterion.number
