"""The invariants of the ledger as queries: each gives the rows that break it, as (row, what is wrong).

They derive everything anew from the rows and believe no constraint, so they also find what somebody wrote past them.
"""

from typing import Final

from server.ledger.badge_invariants import BADGE_INVARIANTS
from server.ledger.credit_invariants import CREDIT_INVARIANTS
from server.ledger.invariant import Invariant
from server.ledger.money_invariants import MONEY_INVARIANTS
from server.ledger.news_invariants import NEWS_INVARIANTS
from server.ledger.ownership_invariants import OWNERSHIP_INVARIANTS
from server.ledger.total_invariants import TOTAL_INVARIANTS

INVARIANTS: Final[tuple[Invariant, ...]] = (
    *CREDIT_INVARIANTS,
    *MONEY_INVARIANTS,
    *OWNERSHIP_INVARIANTS,
    *TOTAL_INVARIANTS,
    *BADGE_INVARIANTS,
    *NEWS_INVARIANTS,
)
"""All that one transaction can check."""
