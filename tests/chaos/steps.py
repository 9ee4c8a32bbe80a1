"""The steps of a story, or of a reaper, among all that a gateway asks Postgres; and what strikes at one of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.support.postgres_proxy import Side, Step, Verdict

OPEN: Final = "INSERT INTO chat_member"
CHARGE: Final = "'CHAT', -1"
MESSAGES: Final = "INSERT INTO message"
SPEND: Final = "credit_state = 'SPENT'"
SAVE: Final = "AND status = 'STREAMING'"
REFUND: Final = "credit_state = 'REFUNDED'"

_PARTS: Final = (OPEN, CHARGE, MESSAGES, SPEND, SAVE, REFUND)
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

Point = Callable[[Sequence[Step]], bool]
"""Whether to strike now: told the steps that count so far, the present one last."""


def is_of_the_story(step: Step) -> bool:
    """Whether a client waits for this step."""
    if step.sql.startswith("COMMIT"):
        return "INTO node" not in step.transaction
    if SPEND in step.sql:
        return True
    return bool(step.sql) and not any(part in step.sql for part in _BACKGROUND)


def is_of_a_reaper(step: Step) -> bool:
    """Whether a chat is being taken, or its answer finished, by this step."""
    return "AS answer_id" in step.sql or "FOR SHARE)" in step.transaction


def each_of(steps: Sequence[Step], *, first_only: bool = False) -> list[Point]:
    """A point for each of these steps of an earlier play: the same request or reply, as many times after its first one.

    What runs at the same time comes in another order each time, so a number alone would miss some steps and meet others
    twice. The reply to a query that changes and locks nothing is none of them: to lose it is to lose the next request.

    Args:
        first_only: whether each kind of request or reply is meant only where it comes first: half as many points.
    """
    met: Counter[tuple[Side, str]] = Counter()
    points = []
    for kind in dict.fromkeys(_kinds(steps)) if first_only else _kinds(steps):
        met[kind] += 1
        points.append(_at_time(kind, met[kind]))
    return points


def _kinds(steps: Sequence[Step]) -> list[tuple[Side, str]]:
    return [
        _kind(step)
        for step in steps
        if not (step.side is Side.REPLY and step.sql.lstrip().startswith("SELECT") and " FOR " not in step.sql)
    ]


def _at_time(kind: tuple[Side, str], times: int) -> Point:
    return lambda seen: _kind(seen[-1]) == kind and sum(_kind(step) == kind for step in seen) == times


def _kind(step: Step) -> tuple[Side, str]:
    if not step.sql.startswith("COMMIT"):
        return step.side, step.sql
    # What else a transaction holds depends on what came together.
    return step.side, " ".join(["COMMIT", *(part for part in _PARTS if part in step.transaction)])


def at_commit(side: Side, part: str) -> Point:
    """The first commit of a transaction with this statement."""
    return lambda seen: seen[-1].side is side and seen[-1].is_commit_of(part)


def never(_seen: Sequence[Step]) -> bool:
    """No step."""
    return False


@dataclass
class Strike:
    """Strikes once, at the first step that is meant.

    Attributes:
        counts: which steps are numbered.
        act: what is done to the gateway then; None is nothing.
        verdict: what becomes of the step, and of all steps after an act.
        seen: the steps that count, so far.
    """

    counts: Callable[[Step], bool]
    is_meant: Point
    act: Callable[[], None] | None = None
    verdict: Verdict = Verdict.CUT
    seen: list[Step] = field(default_factory=list)
    has_struck: bool = False

    @property
    def place(self) -> str:
        """Where it struck, or would have, for people."""
        if not self.seen:
            return "the beginning"
        step = self.seen[-1]
        return f"{step.side.name} {len(self.seen)}: {' '.join(step.sql.split())[:100]}"

    async def __call__(self, step: Step) -> Verdict:
        if self.has_struck:
            return Verdict.PASS if self.act is None else self.verdict
        if not self.counts(step):
            return Verdict.PASS
        self.seen.append(step)
        if not self.is_meant(self.seen):
            return Verdict.PASS
        self.has_struck = True
        if self.act is not None:
            self.act()
        return self.verdict


def assert_each_part_struck(strikes: Sequence[Strike]) -> None:
    """Check that these struck at every statement that changes money or messages, and at its commit, on both sides."""
    places = [one.seen[-1] for one in strikes if one.has_struck]
    for part in _PARTS:
        for side in Side:
            assert any(step.side is side and part in step.sql for step in places), (side, part)
            assert any(step.side is side and step.is_commit_of(part) for step in places), (side, part)
