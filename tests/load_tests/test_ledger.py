"""The years that lists are measured on: their books are right, and every case can be read."""

from datetime import date
from pathlib import Path

from load_tests.ledger.cases import choose_cases
from load_tests.ledger.measuring import measure
from load_tests.ledger.plans import save
from load_tests.ledger.years import Years, make_years
from server.ledger.audit import check
from server.storage.postgres import Postgres

FEW = Years(transactions=3_000, of_first=1_200, channels=20, givers=60)


async def test_years_have_clean_books_and_can_be_measured(postgres_url: str, tmp_path: Path) -> None:
    told: list[str] = []
    await make_years(postgres_url, FEW, told.append)
    postgres = await Postgres.open(postgres_url)
    report = await check(postgres)
    assert (report.findings, report.contributions) == ((), FEW.transactions)
    days = await postgres.pool.fetchrow("SELECT min(day), max(day), count(DISTINCT type) FROM transaction_total")
    await postgres.close()
    assert days is not None
    assert isinstance(days[0], date)
    assert days[2] == 2
    timings = await measure(postgres_url, told.append)
    assert {case.name for case in await choose_cases(postgres_url)} == {timing.name for timing in timings}
    assert all(timing.database.at_ms[50.0] > 0 and "actual rows" in timing.slowest_plan for timing in timings)
    save(timings, {"rows": "few"}, tmp_path / "plans.md")
    assert "| no filter, -amount | middle |" in (tmp_path / "plans.md").read_text()
