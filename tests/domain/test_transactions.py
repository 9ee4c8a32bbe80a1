"""A contribution's status has a rank and never goes back."""

from itertools import pairwise

from server.domain.transactions import ContributionStatus, before


def test_a_payment_counts_after_a_failure_but_not_the_other_way() -> None:
    assert ContributionStatus.FAILED in before(ContributionStatus.SETTLED)
    assert ContributionStatus.EXPIRED in before(ContributionStatus.SETTLED)
    assert ContributionStatus.SETTLED not in before(ContributionStatus.FAILED)


def test_nothing_settles_twice() -> None:
    assert ContributionStatus.SETTLED not in before(ContributionStatus.SETTLED)
    assert ContributionStatus.REVERSED not in before(ContributionStatus.SETTLED)


def test_statuses_are_declared_in_the_order_of_their_ranks_and_no_two_share_one() -> None:
    assert all(earlier.rank < later.rank for earlier, later in pairwise(ContributionStatus))
