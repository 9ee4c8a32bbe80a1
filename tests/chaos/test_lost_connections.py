"""A connection to Postgres is lost at each kind of step of a story: the client sends again what it was told to, and
sees the story to its end on the same gateway."""

from collections.abc import Callable

import pytest

from tests.chaos.stage import Stage
from tests.chaos.steps import Point, Strike, assert_each_part_struck, each_of, is_of_the_story, never
from tests.chaos.story import Story
from tests.support.gateways import LocalGateway
from tests.support.postgres_proxy import PostgresProxy, pass_on
from tests.support.world import World

EVERY = 5
"""One step of so many is tried in a short run."""


async def play_with(world: World, gateway: LocalGateway, proxy: PostgresProxy, point: Point) -> Strike:
    """Play a story with one connection lost."""
    story = await Story.begin(world)
    client = await gateway.connect(story.cookie)
    proxy.hook = strike = Strike(is_of_the_story, point)
    try:
        assert await story.play(client)
        proxy.hook = pass_on
        await story.check(within_seconds=1.0)
        assert [said.text for talk in story.talks for said in talk.messages if not said.rids] == []
        await story.take_up(gateway)
    except Exception as error:
        error.add_note(f"Cut at {strike.place}; told {[frame['t'] for frame in story.frames]}")
        raise
    await client.close()
    return strike


async def play_with_each(stage: Stage, is_tried: Callable[[int], bool]) -> list[Strike]:
    """Lose the connection once at each of these kinds of steps, in one story each."""
    async with stage.behind_proxy() as (proxy, gateway):
        whole = await play_with(stage.world, gateway, proxy, never)
        return [
            await play_with(stage.world, gateway, proxy, point)
            for number, point in enumerate(each_of(whole.seen, first_only=True), 1)
            if is_tried(number)
        ]


async def test_some_steps(stage: Stage) -> None:
    await play_with_each(stage, lambda number: number % EVERY == 0)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_each_kind_of_step(stage: Stage) -> None:
    assert_each_part_struck(await play_with_each(stage, lambda number: True))
