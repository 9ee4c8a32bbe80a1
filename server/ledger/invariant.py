"""What one rule of the ledger is: a name, and the query for the rows that break it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invariant:
    """One rule, and the query that gives what breaks it.

    Attributes:
        name: as in `docs/ledger.md`.
        query: rows of two texts, ``subject`` and ``problem``.
    """

    name: str
    query: str
