"""A gateway is killed while it answers: another one finishes its answers in time, whatever happens to that one."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import pytest

from server.chats.checkpoints import Checkpoints
from tests.chaos.stage import NewStage, Stage
from tests.chaos.steps import Point, Strike, each_of, is_of_a_reaper, never
from tests.support.crowds import Guest, join
from tests.support.forked_gateways import ForkedGateway
from tests.support.gateways import SCRIPTED, SHORT_LEASE, local_gateway
from tests.support.postgres_proxy import Side, postgres_proxy
from tests.support.socket_client import of_kind
from tests.support.waiting import eventually
from tests.support.world import World

AT_ONCE: Final = 3
CHATS: Final = 6
SILENT: Final = "Think for long. [[delay_ms=60000]]"
TALKING: Final = "Tell me everything. [[tokens=5000 delay_ms=0 rate=100]]"
LAG_CHARACTERS_MAX: Final = 1_000
"""A checkpoint is 250 ms behind, some 25 tokens; on a busy machine it may be more, but never all."""

IN_TIME_SECONDS: Final = SHORT_LEASE.lease_seconds + SHORT_LEASE.reaper_seconds + 10.0
"""L2, and what the work itself may take on a machine that is shared: a deadline, no measurement."""
AFTER_TROUBLE_SECONDS: Final = 30.0
"""A reaper that lost Postgres believes for a lease that nobody is dead; the rest is for four reapers on two cores."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a killed gateway has left.

    Attributes:
        silent: chats that were charged and got no token.
        talking: chats whose answers were running.
    """

    world: World
    silent: Sequence[Guest]
    talking: Sequence[Guest]

    async def is_resolved(self) -> bool:
        """Whether no chat waits for anybody."""
        return not await self.world.postgres.pool.fetchval(
            "SELECT EXISTS (SELECT 1 FROM chat WHERE state = 'ANSWERING' OR credit_state = 'CHARGED')"
        )

    async def check(self) -> None:
        """Each silent chat has its credit back, once; each answer is kept up to its checkpoint."""
        for guest in self.silent:
            assert await self._stored(guest) == ("CLOSED", "REFUNDED", "INTERRUPTED", "", ["CHAT", "REFUND"])
        for guest in self.talking:
            state, credit, status, text, entries = await self._stored(guest)
            assert (state, credit, status, entries) == ("OPEN", "SPENT", "INTERRUPTED", ["CHAT"])
            assert text
            assert guest.heard.startswith(text) or text.startswith(guest.heard)
            assert len(guest.heard) - len(text) < LAG_CHARACTERS_MAX

    async def _stored(self, guest: Guest) -> tuple[str, str, str, str, list[str]]:
        row = await self.world.postgres.pool.fetchrow(
            """
            SELECT chat.state, chat.credit_state, message.status, message.content,
                   ARRAY(SELECT kind FROM credit_entry WHERE chat_id = chat.id ORDER BY channel_seq)
              FROM chat JOIN message ON message.chat_id = chat.id AND message.type = 'AI' WHERE chat.id = $1
            """,
            guest.chat_id,
        )
        assert row is not None
        return row[0], row[1], row[2], row[3], row[4]


async def has_checkpoint(world: World, guest: Guest) -> bool:
    """Whether something of this guest's running answer is in Redis."""
    row = await world.postgres.pool.fetchrow(
        "SELECT chat.epoch, message.id FROM chat JOIN message ON message.chat_id = chat.id"
        " WHERE chat.id = $1 AND message.status = 'STREAMING'",
        guest.chat_id,
    )
    return row is not None and bool(await Checkpoints(world.redis).read(guest.chat_id, row["epoch"], row["id"]))


async def leave(world: World, victim: ForkedGateway, chats: int) -> Left:
    """Kill a gateway with so many chats of each kind."""
    silent = [await join(world, victim) for _ in range(chats)]
    talking = [await join(world, victim) for _ in range(chats)]
    await asyncio.gather(*(guest.send(SILENT) for guest in silent), *(guest.send(TALKING) for guest in talking))
    for guest in talking:
        await eventually(partial(has_checkpoint, world, guest))
    for guest in silent:
        await guest.client.wait_for(of_kind("start"))
    victim.kill()
    await victim.gone()
    return Left(world, silent, talking)


async def test_a_dead_nodes_chats_are_resolved_in_time_by_one_of_two(stage: Stage) -> None:
    async with stage.process() as one, stage.process() as other, stage.process() as victim:
        left = await leave(stage.world, victim, CHATS)
        await eventually(left.is_resolved, IN_TIME_SECONDS)
        await left.check()
        for guest in left.silent:
            client = await other.connect(guest.cookie)
            opened = await client.open_chat("deep-sea-lab")
            assert (opened["state"], opened["credit"]["state"]) == ("closed", "refunded")
        guest = left.talking[0]
        client = await one.connect(guest.cookie)
        opened = await client.open_chat("deep-sea-lab")
        assert (await client.ask(opened["k"], "Go on. [[tokens=3]]", "idem-0002"))["why"] == "stop"


async def test_the_next_start_resolves_what_the_only_node_left(stage: Stage) -> None:
    async with stage.process() as victim:
        left = await leave(stage.world, victim, CHATS)
    async with stage.process():
        await eventually(left.is_resolved, IN_TIME_SECONDS + SHORT_LEASE.lease_seconds)
        await left.check()


async def test_a_living_node_refunds_when_the_first_token_does_not_come(stage: Stage) -> None:
    impatient = replace(SCRIPTED, first_token_timeout_seconds=0.2)
    async with local_gateway(stage.postgres_url, stage.redis_url, model=impatient) as gateway:
        guest = await join(stage.world, gateway)
        assert (await guest.send("[[break=stall fail_at=1]]"))["t"] == "ok"
        assert (await guest.done())["why"] == "error"
        assert (await guest.client.wait_for(of_kind("closed")))["why"] == "refunded"


async def strike_a_reaper(stage: Stage, point: Point, *, is_killed: bool) -> Strike:
    """Leave two chats to a reaper that is struck at this step of its work: they are resolved all the same, by itself
    or, when it is killed, by the next one."""
    async with postgres_proxy(stage.postgres_url) as proxy, stage.process(proxy.url) as reaper:
        async with stage.process() as victim:
            proxy.hook = strike = Strike(is_of_a_reaper, point, reaper.kill if is_killed else None)
            left = await leave(stage.world, victim, 1)
        async with contextlib.AsyncExitStack() as stack:
            if is_killed:
                await eventually(lambda: strike.has_struck, AFTER_TROUBLE_SECONDS)
                await stack.enter_async_context(stage.process())
            await eventually(left.is_resolved, AFTER_TROUBLE_SECONDS)
        await left.check()
    return strike


def at_taking(side: Side) -> Point:
    """The statement that takes a chat."""
    return lambda seen: seen[-1].side is side and "FOR SHARE)" in seen[-1].sql


def at_finishing(side: Side) -> Point:
    """The commit of a taken chat and its finished answer."""
    return lambda seen: seen[-1].side is side and seen[-1].is_commit_of("FOR SHARE)")


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("point", [at_taking(Side.REPLY), *map(at_finishing, Side)])
async def test_a_reaper_is_struck_around_its_commit(stage: Stage, point: Point, is_killed: bool) -> None:
    assert (await strike_a_reaper(stage, point, is_killed=is_killed)).has_struck


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_reaper_is_struck_at_every_step(stage: Stage, new_stage: NewStage) -> None:
    """Its connection is cut at one step, and it is killed at the next."""
    whole = await strike_a_reaper(stage, never, is_killed=False)
    points = deque(enumerate(each_of(whole.seen)))

    async def strike_on(own: Stage) -> None:
        while points:
            number, point = points.popleft()
            assert (await strike_a_reaper(own, point, is_killed=number % 2 == 1)).has_struck

    async with contextlib.AsyncExitStack() as stack:
        stages = [await stack.enter_async_context(new_stage()) for _ in range(AT_ONCE)]
        async with asyncio.TaskGroup() as plays:
            for own in stages:
                plays.create_task(strike_on(own))
