"""Channels are found by id and handle, and listed by pages that neither skip nor repeat."""

from dataclasses import replace

import pytest

from server.channels.catalog import Catalog, ChannelSort
from server.domain.channels import ChannelStatus
from server.domain.errors import Code, Refusal
from server.domain.pages import Position
from server.embedded.postgres import EmbeddedPostgres
from server.storage.postgres import Postgres
from tests.support.ids import ABSENT_ID
from tests.support.rows import Rows


@pytest.fixture
def catalog(postgres: Postgres) -> Catalog:
    return Catalog(postgres)


async def names_of_all(catalog: Catalog, sort: ChannelSort, limit: int) -> list[str]:
    names: list[str] = []
    position: Position | None = None
    while True:
        page = await catalog.page(sort=sort, position=position, limit=limit)
        names += [channel.name for channel in page.items]
        if page.next is None:
            return names
        position = page.next


async def test_a_channel_is_found_by_id_and_by_handle_in_any_case(catalog: Catalog, rows: Rows) -> None:
    channel_id = await rows.channel("deep-sea-lab", subscriber_count=7)
    by_name, by_id = await catalog.find("Deep-Sea-Lab"), await catalog.find(str(channel_id).upper())
    assert by_name == by_id
    assert by_name is not None
    assert by_name.id == channel_id
    assert by_name.status is ChannelStatus.PENDING
    assert (by_name.subscriber_count, by_name.video_count) == (7, None)
    assert by_name.activated_at is None


@pytest.mark.parametrize("name", ["absent", "", "\0", "a b", "é", "x" * 10_000, "'; --", ABSENT_ID])
async def test_what_names_no_channel_finds_none(catalog: Catalog, rows: Rows, name: str) -> None:
    await rows.channel()
    assert await catalog.find(name) is None


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
async def test_pages_of_equal_titles_neither_skip_nor_repeat(catalog: Catalog, rows: Rows, limit: int) -> None:
    for number in range(5):
        await rows.channel(f"lab-{number}", title="Same" if number else "Another")
    rising = await names_of_all(catalog, ChannelSort.TITLE, limit)
    assert rising == [f"lab-{number}" for number in range(5)]
    assert await names_of_all(catalog, ChannelSort.TITLE_DESCENDING, limit) == rising[::-1]


async def test_time_sorts_both_ways(catalog: Catalog, rows: Rows) -> None:
    for name in ("zeta", "alpha", "mid"):
        await rows.channel(name)
    assert await names_of_all(catalog, ChannelSort.OLDEST, 2) == ["zeta", "alpha", "mid"]
    assert await names_of_all(catalog, ChannelSort.NEWEST, 2) == ["mid", "alpha", "zeta"]


async def test_the_way_back_shows_the_same_pages(catalog: Catalog, rows: Rows) -> None:
    for number in range(5):
        await rows.channel(f"lab-{number}")
    first = await catalog.page(limit=2)
    second = await catalog.page(position=first.next, limit=2)
    third = await catalog.page(position=second.next, limit=2)
    assert (first.previous, third.next) == (None, None)
    back_to_second = await catalog.page(position=third.previous, limit=2)
    back_to_first = await catalog.page(position=back_to_second.previous, limit=2)
    assert (back_to_second.items, back_to_first.items) == (second.items, first.items)
    assert (back_to_first.previous, back_to_first.next) == (None, first.next)


async def test_a_channel_added_in_between_shifts_no_page(catalog: Catalog, rows: Rows) -> None:
    for name in ("b", "d"):
        await rows.channel(name)
    first = await catalog.page(limit=1)
    await rows.channel("a")
    await rows.channel("c")
    rest = await catalog.page(position=first.next, limit=9)
    assert [channel.name for channel in rest.items] == ["c", "d"]


async def test_status_and_text_filter_together(catalog: Catalog, rows: Rows) -> None:
    await rows.active_channel("sea-lab")
    await rows.channel("sea-food")
    await rows.channel("night")
    page = await catalog.page(status=ChannelStatus.PENDING, text="SEA", limit=9)
    assert [channel.name for channel in page.items] == ["sea-food"]


async def test_a_search_takes_its_wildcards_literally(catalog: Catalog, rows: Rows) -> None:
    await rows.channel("plain")
    await rows.channel("percent", title="100% Sea_Lab")
    assert [found.name for found in (await catalog.page(text="0%", limit=9)).items] == ["percent"]
    assert [found.name for found in (await catalog.page(text="a_l", limit=9)).items] == ["percent"]
    assert [found.name for found in (await catalog.page(text="%", limit=9)).items] == ["percent"]


@pytest.mark.parametrize(
    "broken",
    [Position("yesterday", ABSENT_ID), Position("2026-11-22T00:00:00+00:00", "x")],
)
async def test_a_position_of_another_list_is_refused(catalog: Catalog, rows: Rows, broken: Position) -> None:
    await rows.channel()
    with pytest.raises(Refusal) as refused:
        await catalog.page(sort=ChannelSort.NEWEST, position=broken, limit=1)
    assert refused.value.code is Code.BAD_REQUEST


async def test_a_page_after_its_last_row_vanished_still_goes_on(catalog: Catalog, rows: Rows) -> None:
    for name in ("a", "b", "c"):
        await rows.channel(name)
    first = await catalog.page(limit=1)
    assert first.next is not None
    await rows.postgres.pool.execute("DELETE FROM channel WHERE name = 'a'")
    following = await catalog.page(position=first.next, limit=9)
    assert [channel.name for channel in following.items] == ["b", "c"]
    before = await catalog.page(position=replace(first.next, backwards=True), limit=9)
    assert list(before.items) == []


async def test_without_postgres_both_reads_are_refused_as_unavailable(disposable_postgres: EmbeddedPostgres) -> None:
    postgres = await Postgres.open(disposable_postgres.url)
    try:
        catalog = Catalog(postgres)
        await catalog.page(limit=1)
        disposable_postgres.kill()
        for read in (catalog.find("deep-sea-lab"), catalog.page(limit=1)):
            with pytest.raises(Refusal) as refused:
                await read
            assert refused.value.code is Code.UNAVAILABLE
    finally:
        await postgres.close()
