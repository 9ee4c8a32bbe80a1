"""How far somebody is on the way to the badges that they do not hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from server.domain.badges import Badge, Tally
from server.domain.criteria import Criterion, CriterionKind


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody has come to.

    Attributes:
        tally: of the whole history.
        chats: that are final; as many as the badges ask for are enough.
    """

    tally: Tally
    chats: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far somebody is on the way to a badge.

    Attributes:
        have: never more than `need`, which is the criterion's number.
        channel_id: on which channel, where it counts for each: the one with the most; None otherwise.
    """

    have: int
    need: int
    channel_id: UUID | None = None


def progress(criterion: Criterion, standing: Standing) -> Progress | None:
    """How far somebody is; None where it is not a matter of a number that grows."""
    tally = standing.tally
    match criterion.kind:
        case CriterionKind.CONTRIBUTIONS:
            return _progress(tally.contributions, criterion)
        case CriterionKind.CHANNELS_SUPPORTED:
            return _progress(tally.channels, criterion)
        case CriterionKind.CHATS:
            return _progress(standing.chats, criterion)
        case CriterionKind.CREDITS_BOUGHT:
            best = max(tally.credits, key=lambda channel_id: (tally.credits[channel_id], channel_id), default=None)
            return _progress(tally.credits[best] if best else 0, criterion, best)
        case _:
            return None


def _progress(have: int, criterion: Criterion, channel_id: UUID | None = None) -> Progress:
    return Progress(min(have, criterion.number), criterion.number, channel_id)


def next_steps(badges: Iterable[Badge], held: set[UUID], standing: Standing) -> list[tuple[Badge, Progress]]:
    """For each kind with a number that grows, the badge that comes next and how far it is, in the order of badges.

    Args:
        held: ids of badges that are held anywhere.
    """
    nearest: dict[CriterionKind, tuple[Badge, Progress]] = {}
    for badge in badges:
        step = progress(badge.criterion, standing)
        if step is None or badge.id in held:
            continue
        found = nearest.get(badge.criterion.kind)
        if found is None or step.need < found[1].need:
            nearest[badge.criterion.kind] = badge, step
    return sorted(nearest.values(), key=lambda pair: pair[0].position)
