"""A gateway is killed at every step of a story; another one finishes what it left, and the client goes on there."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest

from tests.chaos.steps import (
    CHARGE,
    MESSAGES,
    OPEN,
    REFUND,
    SAVE,
    SPEND,
    Point,
    at_commit,
    at_number,
    is_of_the_story,
    never,
)
from tests.chaos.story import Story
from tests.support.forked_gateways import ForkedGateway, GatewayNest
from tests.support.postgres_proxy import Side, Step, Verdict, postgres_proxy
from tests.support.world import World

AT_ONCE: Final = 6
RESOLVED_SECONDS: Final = 5.0
"""Lease and reaper period are 1.3 s together; the rest is for a machine that has more to do."""


@dataclass
class Executioner:
    """Kills a gateway at the first step that is meant, before it gets any further.

    Attributes:
        seen: the steps of the story so far.
    """

    gateway: ForkedGateway
    is_meant: Point
    seen: list[Step] = field(default_factory=list)
    has_struck: bool = False

    async def __call__(self, step: Step) -> Verdict:
        if self.has_struck:
            return Verdict.CUT
        if is_of_the_story(step):
            self.seen.append(step)
            if self.is_meant(len(self.seen), step):
                self.gateway.kill()
                self.has_struck = True
                return Verdict.CUT
        return Verdict.PASS


@dataclass
class Scene:
    """Where stories are played: each on a gateway of its own, and all are taken up on the one that survives."""

    world: World
    nest: GatewayNest
    postgres_url: str
    redis_url: str
    survivor: ForkedGateway
    door: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def kill_at(self, is_meant: Point) -> Executioner:
        """Play one story, kill its gateway at that step or at the end, check what is left, and take it up."""
        async with self.door, postgres_proxy(self.postgres_url) as proxy:
            async with self.nest.gateway(proxy.url, self.redis_url) as gateway:
                story = await Story.begin(self.world)
                client = await gateway.connect(story.cookie)
                proxy.hook = executioner = Executioner(gateway, is_meant)
                is_whole = await story.play(client)
                assert is_whole != executioner.has_struck
                gateway.kill()
                await gateway.gone()
            try:
                await story.check(within_seconds=RESOLVED_SECONDS)
                await story.take_up(self.survivor)
            except Exception as error:
                error.add_note(f"Killed at {executioner.seen[-1:]}; told {[frame['t'] for frame in story.frames]}")
                raise
        return executioner

    async def kill_at_each(self, points: Sequence[Point]) -> list[Executioner]:
        """`kill_at` for all of these, some at a time."""
        return await asyncio.gather(*(self.kill_at(point) for point in points))


async def test_a_gateway_is_killed_around_each_commit(
    world: World, nest: GatewayNest, postgres_url: str, redis_url: str
) -> None:
    async with nest.gateway(postgres_url, redis_url) as survivor:
        scene = Scene(world, nest, postgres_url, redis_url, survivor)
        points = [at_commit(side, part) for part in (CHARGE, SPEND, SAVE, REFUND) for side in Side]
        struck = await scene.kill_at_each(points)
        assert all(one.has_struck for one in struck)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_gateway_is_killed_at_every_step(
    world: World, nest: GatewayNest, postgres_url: str, redis_url: str
) -> None:
    async with nest.gateway(postgres_url, redis_url) as survivor:
        scene = Scene(world, nest, postgres_url, redis_url, survivor)
        whole = await scene.kill_at(never)
        struck = await scene.kill_at_each([at_number(number) for number in range(1, len(whole.seen) + 1)])
        killed_at = [one.seen[-1] for one in struck if one.has_struck]
        for part in (OPEN, CHARGE, MESSAGES, SPEND, SAVE, REFUND):
            for side in Side:
                assert any(step.side is side and part in step.sql for step in killed_at), (side, part)
                assert any(step.side is side and step.is_commit_of(part) for step in killed_at), (side, part)
