"""A connection to Postgres is lost at every step of a story: the client sends again what it was told to, and sees the
story to its end on the same gateway."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.chaos.steps import Point, at_number, is_of_the_story, never
from tests.chaos.story import Story
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.postgres_proxy import PostgresProxy, Step, Verdict, pass_on, postgres_proxy
from tests.support.world import World

EVERY = 9
"""One step of so many is tried in a short run."""


@dataclass
class Cutter:
    """Cuts the connection of the first step that is meant."""

    is_meant: Point
    seen: list[Step] = field(default_factory=list)
    has_struck: bool = False

    async def __call__(self, step: Step) -> Verdict:
        if is_of_the_story(step):
            self.seen.append(step)
            if not self.has_struck and self.is_meant(len(self.seen), step):
                self.has_struck = True
                return Verdict.CUT
        return Verdict.PASS


async def play_with(world: World, gateway: LocalGateway, proxy: PostgresProxy, point: Point) -> Cutter:
    """Play a story with one connection lost."""
    story = await Story.begin(world)
    client = await gateway.connect(story.cookie)
    proxy.hook = cutter = Cutter(point)
    try:
        assert await story.play(client)
        proxy.hook = pass_on
        await story.check(within_seconds=1.0)
        assert [said.text for talk in story.talks for said in talk.messages if not said.rids] == []
        await story.take_up(gateway)
    except Exception as error:
        error.add_note(f"Cut at {cutter.seen[-1:]}; told {[frame['t'] for frame in story.frames]}")
        raise
    await client.close()
    return cutter


async def play_with_each(world: World, postgres_url: str, redis_url: str, is_tried: Callable[[int], bool]) -> None:
    """Lose the connection once at each of these steps, in one story each."""
    async with postgres_proxy(postgres_url) as proxy, local_gateway(proxy.url, redis_url) as gateway:
        whole = await play_with(world, gateway, proxy, never)
        for number in filter(is_tried, range(1, len(whole.seen) + 1)):
            await play_with(world, gateway, proxy, at_number(number))


async def test_some_steps(postgres_url: str, redis_url: str, world: World) -> None:
    await play_with_each(world, postgres_url, redis_url, lambda number: number % EVERY == 0)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_every_step(postgres_url: str, redis_url: str, world: World) -> None:
    await play_with_each(world, postgres_url, redis_url, lambda number: True)
