"""A gateway is frozen for longer than its lease (SIGSTOP), and another one takes what it had: when it wakes up, it says
nothing and writes nothing of the chats it lost, and shows its sockets what has become of them."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg
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
from tests.support.crowds import Guest, join
from tests.support.forked_gateways import ForkedGateway
from tests.support.postgres_proxy import Side, Verdict, postgres_proxy
from tests.support.socket_client import ChatView, SocketClient, of_kind
from tests.support.waiting import eventually
from tests.support.world import World

AT_ONCE: Final = 8
LEASE: Final = {"TALLYLIGHT_LEASE_SECONDS": "3", "TALLYLIGHT_LEASE_RENEWAL_SECONDS": "0.5"}
"""Longer than in other tests: who wakes up has half of it, twice, to ask Postgres what is lost, and goes on without an
answer. A busy machine needs that."""
TALKING: Final = "Tell me everything. [[tokens=5000 delay_ms=0 rate=50]]"
SILENT: Final = "Think for long. [[delay_ms=60000]]"
PLAYED_SECONDS: Final = 60.0
"""For a story of a second, beside seven others on two cores."""
RESOLVED_SECONDS: Final = 60.0
"""Lease, reaper period, and two seconds after which Postgres ends the transactions of a client that says nothing; the
rest is for eight stories on two cores."""


async def rows(world: World, guest: Guest) -> Sequence[asyncpg.Record]:
    """All that is stored of a chat."""
    return await world.postgres.pool.fetch(
        """
        SELECT chat.epoch, chat.state, chat.credit_state, chat.tokens_used, message.status, message.content, kind
          FROM chat LEFT JOIN message ON message.chat_id = chat.id
               LEFT JOIN credit_entry ON credit_entry.chat_id = chat.id
         WHERE chat.id = $1 ORDER BY message.seq, channel_seq
        """,
        guest.chat_id,
    )


async def frozen_until_taken(world: World, gateway: ForkedGateway, guests: Sequence[Guest]) -> None:
    """Freeze a gateway until another one has resolved all of its chats."""
    gateway.freeze()
    for guest in guests:
        await eventually(lambda guest=guest: _is_resolved(world, guest), RESOLVED_SECONDS)  # type: ignore[misc]


async def _is_resolved(world: World, guest: Guest) -> bool:
    return all(row["state"] != "ANSWERING" for row in await rows(world, guest))


async def test_a_frozen_gateway_loses_its_chats_and_shows_it(stage: Stage) -> None:
    async with stage.process(environment=LEASE) as survivor, stage.process(environment=LEASE) as frozen:
        talking = await join(stage.world, frozen)
        silent = await join(stage.world, frozen)
        await asyncio.gather(talking.send(TALKING), silent.send(SILENT))
        await silent.client.wait_for(of_kind("start"))
        await eventually(lambda: len(talking.heard) > 100)
        await frozen_until_taken(stage.world, frozen, [talking, silent])
        before = [len(guest.client.frames) for guest in (talking, silent)]
        stored = [await rows(stage.world, guest) for guest in (talking, silent)]
        frozen.thaw()
        for guest, after in zip((talking, silent), before, strict=True):
            snapshot = await guest.client.wait_for(of_kind("opened", k=guest.k), after=after)
            assert (snapshot["mode"], snapshot["epoch"], snapshot.get("rid")) == ("snapshot", "0", None)
            assert snapshot["msgs"][-1]["status"] == "interrupted"
            said = [frame for frame in guest.client.frames[after:] if frame.get("k") == guest.k]
            assert said == [snapshot]
        assert [await rows(stage.world, guest) for guest in (talking, silent)] == stored
        assert snapshot["credit"]["state"] == "refunded"
        await go_on(talking, survivor)


async def go_on(guest: Guest, survivor: ForkedGateway) -> None:
    """The chat is continued where it is now, and then on the node that had lost it."""
    client = await survivor.connect(guest.cookie)
    opened = await client.open_chat("deep-sea-lab")
    assert (await client.ask(opened["k"], "Go on. [[tokens=3]]", "idem-0002"))["why"] == "stop"
    after = len(guest.client.frames)
    assert (await guest.send("And on. [[tokens=3]]", "idem-0003"))["t"] == "ok"
    await guest.client.wait_for(of_kind("done", k=guest.k), after=after)
    view = ChatView(guest.k)
    for frame in guest.client.frames:
        view.apply(frame)
    assert len(view.texts) == 6


async def freeze_at(stage: Stage, survivor: ForkedGateway, point: Point) -> Strike:
    """Play a story whose gateway freezes at this step; thaw it when the chats that it answered in are resolved."""
    async with postgres_proxy(stage.postgres_url) as proxy, stage.process(proxy.url, LEASE) as gateway:
        story = await Story.begin(stage.world)
        client = await gateway.connect(story.cookie)
        proxy.hook = strike = Strike(is_of_the_story, point, gateway.freeze, Verdict.PASS)
        playing = asyncio.ensure_future(story.play(client))
        try:
            await eventually(lambda: strike.has_struck or playing.done(), PLAYED_SECONDS)
            gateway.freeze()
            await eventually(lambda: has_lost_its_lease(stage.world, client))
            await story.check(within_seconds=RESOLVED_SECONDS)
            playing.cancel()
            await thaw_and_check(gateway, story, client)
            gateway.kill()
            await gateway.gone()
            await story.check(within_seconds=RESOLVED_SECONDS)
            await story.take_up(survivor)
        except Exception as error:
            error.add_note(f"Frozen at {strike.place}; told {[frame['t'] for frame in story.frames]}")
            raise
        finally:
            playing.cancel()
            await asyncio.wait([playing])
    return strike


async def has_lost_its_lease(world: World, client: SocketClient) -> bool:
    """Whether the gateway behind this socket counts as dead."""
    node_id = client.of("ready")[0]["node"]
    return bool(
        await world.postgres.pool.fetchval(
            "SELECT lease_until < clock_timestamp() FROM node WHERE id = $1", UUID(node_id)
        )
    )


async def thaw_and_check(gateway: ForkedGateway, story: Story, client: SocketClient) -> None:
    """A chat that was lost is shown as it is now, and nothing else is said or written of it."""
    lost = await story.lost()
    stored = [await story.messages(chat) for _, chat in lost]
    spoken = len(client.frames)
    gateway.thaw()
    for talk, _ in lost:
        await client.wait_for(of_kind("opened", k=talk.k, rid=None), after=spoken)
    await client.send_raw('{"t":"ping","n":7}')
    await client.wait_for(of_kind("pong", n=7), after=spoken)
    for talk, _ in lost:
        said = [frame["t"] for frame in client.frames[spoken:] if frame.get("k") == talk.k and "rid" not in frame]
        assert said == ["opened"]
    assert [await story.messages(chat) for _, chat in lost] == stored
    assert [await story.chat(talk) for talk, _ in lost] == [chat for _, chat in lost]


async def test_a_gateway_freezes_around_each_commit(stage: Stage) -> None:
    async with stage.process(environment=LEASE) as survivor:
        points = [at_commit(side, part) for part in (CHARGE, SPEND, SAVE, REFUND) for side in Side]
        struck = await asyncio.gather(*(freeze_at(stage, survivor, point) for point in points))
        assert all(one.has_struck for one in struck)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_gateway_freezes_at_each_kind_of_step(stage: Stage) -> None:
    async with stage.process(environment=LEASE) as survivor:
        door = asyncio.Semaphore(AT_ONCE)

        async def try_one(point: Point) -> Strike:
            async with door:
                return await freeze_at(stage, survivor, point)

        whole = await try_one(never)
        assert_each_part_struck(
            await asyncio.gather(*(try_one(point) for point in each_of(whole.seen, first_only=True)))
        )
