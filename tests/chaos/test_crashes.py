"""A gateway is killed at every step of a story; another one finishes what it left, and the client goes on there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.chaos.stage import Stage
from tests.chaos.steps import (
    CHARGE,
    REFUND,
    SAVE,
    SPEND,
    Point,
    Strike,
    assert_each_part_struck,
    at_commit,
    each_of,
    is_of_the_story,
    never,
)
from tests.chaos.story import Story
from tests.support.forked_gateways import ForkedGateway
from tests.support.postgres_proxy import Side, postgres_proxy

AT_ONCE: Final = 6
RESOLVED_SECONDS: Final = 30.0
"""Lease and reaper period are 1.3 s together. A survivor that gets no CPU for a lease believes for another one that
nobody is dead, and here six stories are played on two cores."""


@dataclass
class Scene:
    """Where stories are played: each on a gateway of its own, and all are taken up on the one that survives."""

    stage: Stage
    survivor: ForkedGateway
    door: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def kill_at(self, is_meant: Point) -> Strike:
        """Play one story, kill its gateway at that step or at the end, check what is left, and take it up."""
        async with self.door, postgres_proxy(self.stage.postgres_url) as proxy:
            async with self.stage.process(proxy.url) as gateway:
                story = await Story.begin(self.stage.world)
                client = await gateway.connect(story.cookie)
                proxy.hook = strike = Strike(is_of_the_story, is_meant, gateway.kill)
                is_whole = await story.play(client)
                assert is_whole != strike.has_struck
                gateway.kill()
                await gateway.gone()
            try:
                await story.check(within_seconds=RESOLVED_SECONDS)
                await story.take_up(self.survivor)
            except Exception as error:
                error.add_note(f"Killed at {strike.place}; told {[frame['t'] for frame in story.frames]}")
                raise
        return strike

    async def kill_at_each(self, points: Sequence[Point]) -> list[Strike]:
        """`kill_at` for all of these, some at a time."""
        return await asyncio.gather(*(self.kill_at(point) for point in points))


async def test_a_gateway_is_killed_around_each_commit(stage: Stage) -> None:
    async with stage.process() as survivor:
        scene = Scene(stage, survivor)
        points = [at_commit(side, part) for part in (CHARGE, SPEND, SAVE, REFUND) for side in Side]
        struck = await scene.kill_at_each(points)
        assert all(one.has_struck for one in struck)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_gateway_is_killed_at_every_step(stage: Stage) -> None:
    async with stage.process() as survivor:
        scene = Scene(stage, survivor)
        whole = await scene.kill_at(never)
        assert_each_part_struck(await scene.kill_at_each(each_of(whole.seen)))
