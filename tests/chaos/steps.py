"""The steps of a story among all that a gateway asks Postgres."""

from collections.abc import Callable
from typing import Final

from tests.support.postgres_proxy import Side, Step

OPEN: Final = "INSERT INTO chat_member"
CHARGE: Final = "'CHAT', -1"
MESSAGES: Final = "INSERT INTO message"
SPEND: Final = "credit_state = 'SPENT'"
SAVE: Final = "AND status = 'STREAMING'"
REFUND: Final = "credit_state = 'REFUNDED'"

_BACKGROUND: Final = (
    "BEGIN",
    "pg_advisory_unlock_all",  # the pool tidies a connection that was given back
    "typeinfo_tree",  # asyncpg asks what a type is
    "'jit'",
    "INTO node",
    "AS mine (id, epoch)",
    "lease_until",
    "ledger_version FROM channel WHERE id = ANY",
    "LEFT JOIN credit_entry",
    "configuration_setting",
)
"""Statements that are no step of a story: what a gateway does by itself, and what changes nothing."""

Point = Callable[[int, Step], bool]
"""A step to strike at, by its number in the story and by what it is."""


def is_of_the_story(step: Step) -> bool:
    """Whether a client waits for this step."""
    if step.sql.startswith("COMMIT"):
        return "INTO node" not in step.transaction
    return bool(step.sql) and not any(part in step.sql for part in _BACKGROUND)


def at_number(number: int) -> Point:
    """The step of the story with this number."""
    return lambda count, _step: count == number


def at_commit(side: Side, part: str) -> Point:
    """The first commit of a transaction with this statement."""
    return lambda _count, step: step.side is side and step.is_commit_of(part)


def never(_count: int, _step: Step) -> bool:
    """No step."""
    return False
