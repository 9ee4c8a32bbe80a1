"""Badges as the API says them, and as the pages show them."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from server.api.static_files import STATIC_PREFIX
from server.domain.badges import Badge
from server.domain.criteria import CriterionKind
from server.ledger.badge_lists import BadgeChannel, MyBadge

DRAWINGS: Final = frozenset({"booth", "dial", "hexagon", "ring", "roll", "spark", "star", "switch", "ticket", "wave"})
"""What `static/badges.svg` has; a badge whose icon is another word is drawn as a star."""


class CriteriaAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a badge asks for.

    Attributes:
        kind: of a closed set.
        number: how many it takes; of an early supporter, how many come first; null: the kind has none.
        unit: what is counted, for people; null: nothing is.
        per_channel: whether it is earned on each channel anew.
        words: the same in one sentence.
    """

    kind: CriterionKind
    number: int | None
    unit: str | None
    per_channel: bool
    words: str


class BadgeAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A badge.

    Attributes:
        id: its id; it never changes.
        name: for people.
        description: for people; plain text.
        icon: address of its drawing, one symbol of an SVG file.
        criteria: how it is earned.
    """

    id: UUID
    name: str
    description: str
    icon: str
    criteria: CriteriaAnswer


class BadgeChannelAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A channel on which a badge was earned.

    Attributes:
        name: its handle.
        title: for people.
        earned_at: when; null: not yet.
    """

    name: str
    title: str
    earned_at: datetime | None


class ProgressAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """How far the caller is.

    Attributes:
        have: at most what is needed.
        need: the number of the criteria.
        channel: where it counts for each channel, the one with the most; null: it does not, or there is none.
    """

    have: int
    need: int
    channel: BadgeChannelAnswer | None


class MineAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the caller stands with a badge.

    Attributes:
        count: on how many channels it was earned; 1 for one that is earned once across channels; 0: not earned.
        earned_at: when it was earned first; null: not earned.
        channels: on which, the latest 100.
        progress: null: it is not a matter of a number that grows.
        is_next: whether it is the nearest of its kind that the caller does not hold.
    """

    count: int
    earned_at: datetime | None
    channels: list[BadgeChannelAnswer]
    progress: ProgressAnswer | None
    is_next: bool


def badge_of(badge: Badge) -> BadgeAnswer:
    """A badge without anybody's standing."""
    kind = badge.criterion.kind
    drawing = badge.icon if badge.icon in DRAWINGS else "star"
    return BadgeAnswer(
        id=badge.id,
        name=badge.name,
        description=badge.description,
        icon=f"{STATIC_PREFIX}/badges.svg#{drawing}",
        criteria=CriteriaAnswer(
            kind=kind,
            number=badge.criterion.number if kind.number else None,
            unit=kind.unit,
            per_channel=kind.is_per_channel,
            words=badge.criterion.in_words(),
        ),
    )


def mine_of(mine: MyBadge) -> MineAnswer:
    """How somebody stands with a badge."""
    return MineAnswer(
        count=mine.count,
        earned_at=mine.first_at,
        channels=[_channel_of(channel) for channel in mine.channels],
        progress=_progress_of(mine),
        is_next=mine.is_next,
    )


def _progress_of(mine: MyBadge) -> ProgressAnswer | None:
    if mine.progress is None:
        return None
    channel = None if mine.channel is None else _channel_of(mine.channel)
    return ProgressAnswer(mine.progress.have, mine.progress.need, channel)


def _channel_of(channel: BadgeChannel) -> BadgeChannelAnswer:
    return BadgeChannelAnswer(channel.name, channel.title, channel.at)
