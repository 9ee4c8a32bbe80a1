"""What a badge asks for, as data that an admin may change: kinds of a closed set, each with its number."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

PLACES_MAX = 100
"""The greatest ``among`` of an early supporter: how many givers of a channel are looked at."""
THRESHOLD_MAX = 1_000_000


class BadCriteria(ValueError):
    """These criteria are none that this program knows; the message says why."""


class CriterionKind(StrEnum):
    """What can be asked for.

    Attributes:
        number: the name of the number that belongs to it; None: it has none.
        number_max: the greatest that this number may be; the least is 1.
        is_per_channel: whether it is earned on each channel anew, or once across all.
        unit: what is counted, for people; None: nothing is.
    """

    _value_: str
    number: str | None
    number_max: int
    is_per_channel: bool
    unit: str | None

    def __new__(
        cls, value: str, number: str | None, number_max: int, is_per_channel: bool, unit: str | None = None
    ) -> Self:
        """A member is its word; `CriterionKind(word)` finds it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.number, member.number_max, member.is_per_channel = number, number_max, is_per_channel
        member.unit = unit
        return member

    CONTRIBUTIONS = "contributions", "count", THRESHOLD_MAX, False, "contributions"
    HELPED_TO_ACTIVATE = "helped_to_activate", None, 1, True
    CLOSED_GOAL = "closed_goal", None, 1, True
    CREDITS_BOUGHT = "credits_bought", "credits", 100 * THRESHOLD_MAX, True, "credits"
    CHANNELS_SUPPORTED = "channels_supported", "count", THRESHOLD_MAX, False, "channels"
    EARLY_SUPPORTER = "early_supporter", "among", PLACES_MAX, True, "fans"
    CHATS = "chats", "count", THRESHOLD_MAX, False, "chats"


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a badge asks for.

    Attributes:
        number: contributions, credits, channels, places or chats, as the kind says; 1 where it has none.
    """

    kind: CriterionKind
    number: int = 1

    @classmethod
    def read(cls, data: object) -> Self:
        """From the JSON object that is stored: ``{"kind": "contributions", "count": 1}``, and for credits bought also
        ``"per": "channel"``.

        Raises:
            BadCriteria: it is no object, of no known kind, or its number is missing, none, or out of bounds.
        """
        if not isinstance(data, Mapping):
            raise BadCriteria("Criteria are a JSON object.")
        kind = _kind_of(data.get("kind"))
        expected = {"kind"} | ({kind.number} if kind.number else set())
        if kind is CriterionKind.CREDITS_BOUGHT:
            expected.add("per")
            if data.get("per") != "channel":
                raise BadCriteria('Credits are counted for each channel: "per" is "channel".')
        if data.keys() != expected:
            raise BadCriteria(f"Criteria of the kind {kind} have {', '.join(sorted(expected))} and nothing else.")
        if kind.number is None:
            return cls(kind)
        number = data[kind.number]
        if type(number) is not int or not 1 <= number <= kind.number_max:
            raise BadCriteria(f'"{kind.number}" is a whole number from 1 to {kind.number_max:,}.')
        return cls(kind, number)

    def as_data(self) -> dict[str, str | int]:
        """The JSON object that `read` reads."""
        data: dict[str, str | int] = {"kind": self.kind.value}
        if self.kind.number is not None:
            data[self.kind.number] = self.number
        if self.kind is CriterionKind.CREDITS_BOUGHT:
            data["per"] = "channel"
        return data

    def in_words(self) -> str:
        """For people: one sentence that says how it is earned."""
        one, many = _WORDS[self.kind]
        return one if self.number == 1 else many.format(number=f"{self.number:,}")


_WORDS = {
    CriterionKind.CONTRIBUTIONS: ("Make a contribution.", "Make {number} contributions."),
    CriterionKind.HELPED_TO_ACTIVATE: ("Contribute to a channel's activation before its goal is reached.", ""),
    CriterionKind.CLOSED_GOAL: ("Make the contribution with which a channel reaches its goal.", ""),
    CriterionKind.CREDITS_BOUGHT: ("Buy a credit for a channel.", "Buy {number} credits for one channel."),
    CriterionKind.CHANNELS_SUPPORTED: ("Contribute to a channel.", "Contribute to {number} channels."),
    CriterionKind.EARLY_SUPPORTER: (
        "Be the first who contributes to a channel.",
        "Be among the first {number} who contribute to a channel.",
    ),
    CriterionKind.CHATS: ("Chat once.", "Chat {number} times."),
}
"""With the number 1, and with a greater one."""


def _kind_of(word: object) -> CriterionKind:
    for kind in CriterionKind:
        if kind.value == word:
            return kind
    raise BadCriteria(f"The kind is one of {', '.join(CriterionKind)}.")


def greatest_number(criteria: Iterable[Criterion], kind: CriterionKind) -> int:
    """The greatest number that any of these asks for in this kind; 0 when none is of it."""
    return max((criterion.number for criterion in criteria if criterion.kind is kind), default=0)
