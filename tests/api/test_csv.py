"""Transactions as CSV: what spreadsheets get, and how little an unfinished file holds."""

import asyncio
import csv
import io
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from starlette.types import Message

from server.api.csv_downloads import CsvDownload
from server.api.csv_text import Cell, csv_text, safe_text
from server.api.downloads import DownloadLimits, Downloads
from server.domain.errors import Code, Refusal
from server.domain.transactions import TransactionType
from server.ledger.transaction_keys import TransactionFilter
from server.ledger.transactions import BATCH_ROWS, Transactions
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.api.test_transactions import take_back, visitor
from tests.support.rows import Rows

FILE = "/api/channels/deep-sea-lab/transactions.csv"
DEADLINE_SECONDS = 20.0


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1+1", "\u00a0=1", "＝1", "－1", '=HYPERLINK("x","y")'],
)
def test_a_text_that_would_be_a_formula_is_made_one_that_is_not(text: str) -> None:
    assert safe_text(text) == f"'{text}"
    assert read(csv_text([["a"], [text]]).decode()) == [{"a": f"'{text}"}]


@pytest.mark.parametrize("text", ["x;=1+1", "x; +1;y", ";@SUM(A1)"])
def test_a_semicolon_begins_no_formula_where_it_parts_cells(text: str) -> None:
    assert all(not part.strip().startswith(("=", "+", "-", "@")) for part in safe_text(text).split(";"))
    assert safe_text(text).replace("'", "") == text


@pytest.mark.parametrize("text", ["", "   ", "a; b", "Mara", "a=b", "1-2", "'quoted'", "Émile", "100 %"])
def test_any_other_text_stays(text: str) -> None:
    assert safe_text(text) == text


def test_numbers_times_and_nothing_are_written_as_they_are() -> None:
    at = datetime(2026, 11, 28, 12, 0, 0, 5, UTC)
    row = (-500, Decimal(-500).scaleb(-2), at, TransactionType.ACTIVATION, None, 'a "b", c\nd')
    assert csv_text([row]) == b'-500,-5.00,2026-11-28T12:00:00.000005Z,ACTIVATION,,"a ""b"", c\nd"\r\n'


async def test_a_file_has_all_that_the_filters_leave(
    client: httpx2.AsyncClient, rows: Rows, postgres: Postgres
) -> None:
    channel_id, session = await rows.channel(), await rows.session()
    bought = await rows.transaction(channel_id, session, cents=1_250, credits_=125, display_name='=cmd|"x"')
    reversal = await take_back(postgres, bought)
    given = await rows.transaction(channel_id, await rows.session(), cents=300)
    answer = await client.get(FILE)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == 'attachment; filename="deep-sea-lab-transactions.csv"'
    assert answer.headers["cache-control"] == "no-store"
    lines = read(answer.text)
    assert [line["id"] for line in lines] == [str(given), str(reversal), str(bought)]
    assert list(lines[1].values())[2:] == [
        "CREDIT_PURCHASE",
        "REVERSAL",
        '\'=cmd|"x"',
        "-12.50",
        "-125",
        "",
        str(bought),
    ]
    assert [line["id"] for line in read((await client.get(f"{FILE}?type=ACTIVATION")).text)] == [str(given)]
    assert [line["amountUsd"] for line in read((await client.get(f"{FILE}?sort=amount")).text)] == [
        "-12.50",
        "3.00",
        "12.50",
    ]
    assert str(session.session_id) not in answer.text


async def test_a_file_is_no_page(client: httpx2.AsyncClient, rows: Rows, postgres: Postgres) -> None:
    channel_id, session = await rows.channel(), await rows.session()
    await rows.transaction(channel_id, session, cents=100)
    await postgres.pool.execute(
        'INSERT INTO "transaction" (id, channel_id, session_id, amount_cents, type, credits, credits_per_dollar,'
        " contribution_id, provider, provider_reference) SELECT gen_random_uuid(), channel_id, session_id, n, type, 0,"
        ' 10, contribution_id, provider, n::text FROM "transaction", generate_series(1, $1::int) AS n',
        2 * BATCH_ROWS,
    )
    for sort in ("createdAt", "-amount"):
        lines = read((await client.get(f"{FILE}?sort={sort}")).text)
        assert len({line["id"] for line in lines}) == len(lines) == 2 * BATCH_ROWS + 1


async def test_without_rows_there_is_a_line_of_names(client: httpx2.AsyncClient, rows: Rows) -> None:
    await rows.channel()
    assert (await client.get(FILE)).text == (
        "id,createdAt,type,status,name,amountUsd,credits,description,reversesId\r\n"
    )


async def test_one_s_own_file_names_channels_and_payments(
    client: httpx2.AsyncClient, rows: Rows, postgres: Postgres
) -> None:
    me, channel_id = await visitor(client, postgres), await rows.channel()
    mine = await rows.transaction(channel_id, me, cents=300)
    await rows.transaction(channel_id, await rows.session(), cents=400)
    (line,) = read((await client.get("/api/me/transactions.csv?channel=deep-sea-lab")).text)
    assert (line["id"], line["channel"], line["amountUsd"]) == (str(mine), "deep-sea-lab", "3.00")
    assert line["contributionId"]


@pytest.mark.parametrize("query", ["from=2026-03-02&to=2026-03-01", "limit=5", "cursor=x", "type=GIFT"])
async def test_what_makes_no_sense_is_refused(client: httpx2.AsyncClient, rows: Rows, query: str) -> None:
    await rows.channel()
    answer = await client.get(f"{FILE}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@dataclass
class Reader:
    """A client as the server sees it.

    Attributes:
        takes: chunks it takes; then it stops reading.
        leaves: whether it goes away then.
    """

    takes: int
    leaves: bool = False
    messages: list[Message] = field(default_factory=list)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> Message:
        if self.leaves and len(self.messages) > self.takes:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def send(self, message: Message) -> None:
        self.messages.append(message)
        if not self.leaves and len(self.messages) > self.takes:
            self.stopped.set()
            await asyncio.Event().wait()

    @property
    def is_whole(self) -> bool:
        return self.messages[-1] == {"type": "http.response.body", "body": b""}


@dataclass
class Endless:
    """Rows without an end."""

    read: int = 0
    is_closed: bool = False

    async def batches(self) -> AsyncIterator[Sequence[Sequence[Cell]]]:
        try:
            while True:
                self.read += 1
                yield [[new_id()]]
        finally:
            self.is_closed = True


def download(downloads: Downloads, endless: Endless) -> CsvDownload:
    return CsvDownload(downloads, "a.csv", ["id"], endless.batches)


SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "headers": []}


async def test_who_goes_away_ends_the_reading() -> None:
    downloads, endless, reader = Downloads(), Endless(), Reader(takes=3, leaves=True)
    await asyncio.wait_for(download(downloads, endless)(SCOPE, reader.receive, reader.send), DEADLINE_SECONDS)
    assert (endless.read, downloads.running, reader.is_whole) == (4, 0, False)


async def test_who_takes_nothing_is_cut_off() -> None:
    downloads = Downloads(DownloadLimits(stall_seconds=0.05))
    endless, reader = Endless(), Reader(takes=3)
    await asyncio.wait_for(download(downloads, endless)(SCOPE, reader.receive, reader.send), DEADLINE_SECONDS)
    assert (downloads.running, reader.is_whole) == (0, False)


async def test_a_file_has_its_time() -> None:
    downloads, endless = Downloads(DownloadLimits(seconds=0.2)), Endless()
    reader = Reader(takes=1_000_000_000)
    began = time.monotonic()

    async def send_slowly(message: Message) -> None:
        await asyncio.sleep(0.001)
        await reader.send(message)

    await asyncio.wait_for(download(downloads, endless)(SCOPE, reader.receive, send_slowly), DEADLINE_SECONDS)
    assert time.monotonic() - began >= 0.2
    assert (downloads.running, reader.is_whole) == (0, False)


async def test_one_file_too_many_is_overloaded_and_a_place_comes_free_again() -> None:
    downloads = Downloads(DownloadLimits(downloads=1))
    reader = Reader(takes=1)
    first = asyncio.create_task(download(downloads, Endless())(SCOPE, reader.receive, reader.send))
    await asyncio.wait_for(reader.stopped.wait(), DEADLINE_SECONDS)
    other = Reader(takes=1)
    with pytest.raises(Refusal) as refused:
        await download(downloads, Endless())(SCOPE, other.receive, other.send)
    assert (refused.value.code, other.messages) == (Code.OVERLOADED, [])
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert downloads.running == 0


async def test_between_two_batches_nothing_of_postgres_is_in_use(rows: Rows, postgres: Postgres) -> None:
    channel_id, session = await rows.channel(), await rows.session()
    for _ in range(3):
        await rows.transaction(channel_id, session, cents=100)
    batches = Transactions(postgres, batch_rows=1).all_of_channel(channel_id, TransactionFilter())
    assert len(await anext(batches)) == 1
    busy = await postgres.pool.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tallylight lists'"
        " AND datname = current_database() AND state <> 'idle'"
    )
    assert busy == 0
    assert [len(batch) async for batch in batches] == [1, 1]
