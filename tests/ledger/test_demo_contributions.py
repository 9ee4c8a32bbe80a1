"""The demonstration channels are given real, settled contributions, once."""

import asyncio
from uuid import UUID

import pytest

from server.ledger.credits import Credits
from server.ledger.demo_contributions import ensure_demo_contributions
from tests.ledger.books import Books


@pytest.fixture
async def channel_ids(books: Books) -> dict[str, UUID]:
    return {name: await books.channel(is_active=False) for name in ("deep_sea_lab", "night_kitchen")}


async def facts(books: Books, channel_id: UUID) -> tuple[str, int, int, int]:
    row = await books.postgres.pool.fetchrow(
        "SELECT status, activation_funding_cents, activation_goal_cents, credit_balance FROM channel WHERE id = $1",
        channel_id,
    )
    assert row is not None
    return tuple(row)


async def test_one_channel_is_on_air_with_fifty_credits_and_the_other_is_half_way(
    books: Books, channel_credits: Credits, channel_ids: dict[str, UUID]
) -> None:
    await ensure_demo_contributions(books.postgres, channel_credits, **channel_ids)
    assert await facts(books, channel_ids["deep_sea_lab"]) == ("ACTIVE", 1_000, 1_000, 50)
    assert await facts(books, channel_ids["night_kitchen"]) == ("PENDING", 500, 1_000, 0)
    await books.assert_clean()


async def test_the_givers_have_names_and_nobody_holds_their_sessions(
    books: Books, channel_credits: Credits, channel_ids: dict[str, UUID]
) -> None:
    await ensure_demo_contributions(books.postgres, channel_credits, **channel_ids)
    sessions = await books.postgres.pool.fetch("SELECT display_name, token_hash FROM session")
    assert len({row["display_name"] for row in sessions}) >= 4
    assert {row["token_hash"] for row in sessions} == {None}
    unnamed = "SELECT count(*) FROM contribution WHERE display_name IS NULL OR provider <> 'sandbox'"
    assert await books.postgres.pool.fetchval(unnamed) == 0


async def test_doing_it_again_and_at_once_changes_nothing(
    books: Books, channel_credits: Credits, channel_ids: dict[str, UUID]
) -> None:
    again = [ensure_demo_contributions(books.postgres, channel_credits, **channel_ids) for _ in range(5)]
    await asyncio.gather(*again)
    await ensure_demo_contributions(books.postgres, channel_credits, **channel_ids)
    assert (await facts(books, channel_ids["deep_sea_lab"]))[3] == 50
    assert await books.postgres.pool.fetchval("SELECT count(*) FROM contribution") == 7
    await books.assert_clean()


async def test_what_was_spent_since_is_not_given_again(
    books: Books, channel_credits: Credits, channel_ids: dict[str, UUID]
) -> None:
    await ensure_demo_contributions(books.postgres, channel_credits, **channel_ids)
    await books.start(channel_ids["deep_sea_lab"], await books.chats(channel_ids["deep_sea_lab"], 2))
    await ensure_demo_contributions(books.postgres, channel_credits, **channel_ids)
    assert (await facts(books, channel_ids["deep_sea_lab"]))[3] == 48
