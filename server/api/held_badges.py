"""The badges that were earned on a channel and who holds them, as all may see it: names, and never an id."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from server.api.badge_answers import BadgeAnswer, badge_of
from server.domain.badges import Badge
from server.ledger.badge_lists import HeldHere


class BadgeMark(msgspec.Struct, frozen=True, rename="camel"):
    """A badge beside a name.

    Attributes:
        name: for people.
        icon: address of its drawing, one symbol of an SVG file.
    """

    name: str
    icon: str


class HolderAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Somebody who holds a badge.

    Attributes:
        name: null: an anonymous supporter.
        earned_at: when it was earned.
    """

    name: str | None
    earned_at: datetime


class HeldBadgeAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A badge that was earned on a channel.

    Attributes:
        badge: which one.
        count: how many hold it; 1,000: so many or more.
        latest: the newest 20 of those that were counted.
    """

    badge: BadgeAnswer
    count: int
    latest: list[HolderAnswer]


class HeldBadgeList(msgspec.Struct, frozen=True, rename="camel"):
    """The badges that were earned on a channel.

    Attributes:
        items: in the order of the page of all badges; those that nobody holds are left out.
    """

    items: list[HeldBadgeAnswer]


def marks_of(badges: Sequence[Badge]) -> list[BadgeMark]:
    """The badges beside a name, in their order."""
    return [BadgeMark(answer.name, answer.icon) for answer in map(badge_of, badges)]


def held_of(held: HeldHere) -> HeldBadgeAnswer:
    """A badge that was earned on a channel, with its holders."""
    return HeldBadgeAnswer(badge_of(held.badge), held.count, [HolderAnswer(one.name, one.at) for one in held.latest])
