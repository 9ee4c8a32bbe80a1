"""The demonstration channels: made once, whoever else makes them, with little for a small model to read."""

import asyncio

import pytest

from server.channels.adding import NewChannel, add_channel
from server.channels.catalog import Catalog
from server.channels.demo import DEEP_SEA_LAB, NIGHT_KITCHEN, ensure_demo_channels
from server.channels.knowledge import context_text
from server.channels.starters import GENERAL_STARTERS, starters_of
from server.llm.tokens import count
from server.storage.postgres import Postgres

DEMO_TOKENS_MAX = 900


@pytest.mark.parametrize("new", [DEEP_SEA_LAB, NIGHT_KITCHEN], ids=lambda new: new.name)
def test_what_the_ai_is_told_is_short(new: NewChannel) -> None:
    assert 300 < count(context_text(new.persona, new.knowledge)) <= DEMO_TOKENS_MAX


@pytest.mark.parametrize("new", [DEEP_SEA_LAB, NIGHT_KITCHEN], ids=lambda new: new.name)
def test_its_starters_are_its_own(new: NewChannel) -> None:
    starters = starters_of(new.knowledge)
    assert len(starters) == 3
    assert starters != list(GENERAL_STARTERS)


async def test_the_channels_are_made_once(postgres: Postgres) -> None:
    first = await ensure_demo_channels(postgres)
    await postgres.pool.execute("UPDATE channel SET title = 'Renamed' WHERE name = 'night-kitchen'")
    assert await ensure_demo_channels(postgres) == first
    assert set(first) == {"deep-sea-lab", "night-kitchen"}
    kept = await Catalog(postgres).find("night-kitchen")
    assert kept is not None
    assert kept.title == "Renamed"


async def test_two_starts_at_once_make_them_once(postgres: Postgres) -> None:
    one, other = await asyncio.gather(ensure_demo_channels(postgres), ensure_demo_channels(postgres))
    assert one == other


async def test_a_channel_of_somebody_else_is_not_taken_for_one(postgres: Postgres) -> None:
    await add_channel(postgres, NewChannel("deep-sea-lab", "A real lab"))
    assert set(await ensure_demo_channels(postgres)) == {"night-kitchen"}
