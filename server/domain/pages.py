"""Keyset pages: a page begins where a row was, not at a count of rows, so inserts neither skip nor repeat anything."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")

PAGE_ITEMS_DEFAULT = 50
PAGE_ITEMS_MAX = 100


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two rows of a sorted list.

    Attributes:
        sort_value: what the neighbouring row is sorted by, as text: a time in ISO 8601, a number, a title.
        row_id: the neighbouring row's id, as text; it decides between equal sort values.
        backwards: whether the page that is asked for ends at this place instead of beginning there.
    """

    sort_value: str
    row_id: str
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a sorted list.

    Attributes:
        items: in the order of the list, whichever way the page was reached.
        next: where the following page begins; None at the end of the list.
        previous: where the page before ends; None at the beginning of the list.
    """

    items: Sequence[Item]
    next: Position | None
    previous: Position | None


def page_of(
    rows: Sequence[Item], position: Position | None, limit: int, place: Callable[[Item, bool], Position]
) -> Page[Item]:
    """Make a page of what was read from a place.

    Args:
        rows: in the order they were read: away from the position; one more than the page holds where there are more.
        position: where they were read from; None: the beginning of the list.
        limit: rows of the page at most.
        place: the place beside a row, and whether the page that is asked for ends there.
    """
    backwards = position is not None and position.backwards
    more = len(rows) > limit
    items = list(rows[:limit])
    if backwards:
        items.reverse()
    return Page(
        items,
        next=place(items[-1], False) if items and (more or backwards) else None,
        previous=place(items[0], True) if items and (more if backwards else position) else None,
    )
