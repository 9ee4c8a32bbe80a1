"""The claim against all that names a session: nothing is left behind, because of one lock, and of nothing else."""

from collections.abc import AsyncIterator

import pytest

from server.ledger.audit import Finding
from server.storage.postgres import Postgres
from tests.ledger.books import Books
from tests.races.claim_race import ClaimRace, postgres_without_share_lock

ROUNDS = 250
AT_ONCE = 5


@pytest.fixture
async def books(postgres_url: str) -> AsyncIterator[Books]:
    postgres = await Postgres.open(postgres_url)
    yield Books(postgres)
    await postgres.close()


@pytest.mark.timeout(240)
async def test_inserts_that_race_the_claim_leave_nothing_behind(books: Books) -> None:
    async with ClaimRace.prepared(books, books.postgres, ROUNDS) as race:
        for _ in range(ROUNDS // AT_ONCE):
            await race.rounds(AT_ONCE)
        assert await race.orphans() == []


async def test_without_the_lock_on_the_session_rows_are_left_behind(books: Books, postgres_url: str) -> None:
    """The race above is able to fail: the same inserts, without `FOR SHARE`, lose rows."""
    async with (
        postgres_without_share_lock(postgres_url) as inserts,
        ClaimRace.prepared(books, inserts, ROUNDS) as race,
    ):
        orphans: list[Finding] = []
        for _ in range(ROUNDS // AT_ONCE):
            await race.rounds(AT_ONCE)
            if orphans := await race.orphans():
                break
    assert orphans
    assert all("belongs to nobody" in one.problem or "was claimed by" in one.problem for one in orphans)
