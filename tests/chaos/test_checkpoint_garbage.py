"""Garbage where the checkpoints of running answers are: the answer of a dead gateway is finished all the same, and the
garbage of one answer costs no other."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from redis.asyncio import Redis as Client

from server.storage.redis import checkpoint_key
from tests.chaos.stage import Stage
from tests.support.crowds import Guest, join
from tests.support.gateways import SHORT_LEASE
from tests.support.waiting import eventually
from tests.support.world import World

TALKING: Final = "Tell me everything. [[tokens=5000 delay_ms=0 rate=100]]"
RESOLVED_SECONDS: Final = SHORT_LEASE.lease_seconds + SHORT_LEASE.reaper_seconds + 2.0
LAG_CHARACTERS_MAX: Final = 1_000
TOO_LONG: Final = "word " * 60_000
"""More tokens than a chat may have."""

Plant = Callable[[Client, str], Awaitable[object]]


async def text(client: Client, key: str) -> object:
    """Not even a stream."""
    return await client.set(key, "garbage")


async def other_fields(client: Client, key: str) -> object:
    """Entries of somebody else."""
    return await client.xadd(key, {"field": "value"})


async def no_number(client: Client, key: str) -> object:
    """An offset that is none."""
    return await client.xadd(key, {"o": "here", "x": "text"})


async def negative(client: Client, key: str) -> object:
    """An offset from the end."""
    return await client.xadd(key, {"o": -3, "x": "text"})


async def nul(client: Client, key: str) -> object:
    """A character that Postgres cannot store."""
    return await client.xadd(key, {"o": 0, "x": "a\0b"})


async def no_text(client: Client, key: str) -> object:
    """Bytes that are no UTF-8."""
    return await client.xadd(key, {"o": 0, "x": b"\xff\xfe"})


async def too_long(client: Client, key: str) -> object:
    """More than fits into the chat."""
    return await client.xadd(key, {"o": 0, "x": TOO_LONG})


PLANTS: Final[Sequence[Plant]] = (text, other_fields, no_number, negative, nul, no_text, too_long)


async def key_of(guest: Guest, world: World) -> str:
    """Where the guest's running answer is kept."""
    row = await world.postgres.pool.fetchrow(
        "SELECT epoch, message.id FROM chat JOIN message ON message.chat_id = chat.id AND type = 'AI'"
        " WHERE chat.id = $1",
        guest.chat_id,
    )
    assert row is not None
    return checkpoint_key(guest.chat_id, row["epoch"], row["id"])


async def content(guest: Guest, world: World) -> str | None:
    """The stored answer; None while it is not finished."""
    row = await world.postgres.pool.fetchrow(
        "SELECT state, content, status FROM chat JOIN message ON message.chat_id = chat.id AND type = 'AI'"
        " WHERE chat.id = $1",
        guest.chat_id,
    )
    assert row is not None
    return None if row["state"] == "ANSWERING" else row["content"]


async def test_a_dead_gateways_answers_are_finished(stage: Stage) -> None:
    world = stage.world
    async with stage.process(), stage.process() as victim:
        *unlucky, other = guests = [await join(world, victim) for _ in range(len(PLANTS) + 1)]
        for guest in guests:
            assert (await guest.send(TALKING))["t"] == "ok"
        keys = [await key_of(guest, world) for guest in guests]
        await eventually(lambda: exist(world, keys))
        for plant, key in zip(PLANTS, keys[:-1], strict=True):
            await replace(world, plant, key)
        heard = len(other.heard)
        await eventually(lambda: len(other.heard) > heard + LAG_CHARACTERS_MAX / 4)
        victim.kill()
        await victim.gone()
        await eventually(lambda: are_finished(guests, world), RESOLVED_SECONDS)
        for guest in (unlucky[PLANTS.index(text)], other):  # what is no stream is replaced, all others are believed
            kept = await content(guest, world)
            assert kept
            assert kept.startswith(guest.heard) or guest.heard.startswith(kept)
            assert len(guest.heard) - len(kept) < LAG_CHARACTERS_MAX


async def exist(world: World, keys: Sequence[str]) -> bool:
    """Whether there is a checkpoint of each."""
    found: int = await world.redis.run(lambda client: client.exists(*keys))
    return found == len(keys)


async def replace(world: World, plant: Plant, key: str) -> None:
    """Plant something in the place of a checkpoint, at once."""

    async def run(client: Client) -> None:
        await client.delete(key)
        await plant(client, key)

    await world.redis.run(run)


async def are_finished(guests: Sequence[Guest], world: World) -> bool:
    """Whether nobody waits any more."""
    return None not in [await content(guest, world) for guest in guests]
