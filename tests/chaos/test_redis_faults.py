"""Redis is emptied, filled with garbage, killed, frozen, restarted empty in the middle of everything: every message is
decided, every answer comes to its end, the books are right, and soon Redis says what Postgres says."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import pytest
from redis.asyncio import Redis as Client

from server.embedded.valkey import EmbeddedValkey
from server.ledger.audit import check
from server.ledger.credits import BALANCE_LIVES_SECONDS
from server.storage.redis import balance_key, reservations_key
from tests.support.crowds import ROOM_FOR_CROWDS, Guest, crowd, tally
from tests.support.gateways import local_gateway
from tests.support.socket_client import ChatView, Frame
from tests.support.waiting import eventually
from tests.support.world import World, made_world

FANS: Final = 15
CREDITS: Final = 12
"""Fewer than there are fans, so that somebody is refused, too."""
TALKING: Final = "Tell me everything. [[tokens=60 delay_ms=100 rate=60]]"
AGREED_SECONDS: Final = BALANCE_LIVES_SECONDS + 1.0
"""L1, and a second for the check itself."""
PLENTY: Final = 1_000_000
FAR: Final = 999_999_999_999


@dataclass(frozen=True, slots=True)
class Copies:
    """A Redis of the test's own, and the demo channel whose copies it holds."""

    world: World
    valkey: EmbeddedValkey

    @property
    def balance(self) -> str:
        """The key of the balance."""
        return balance_key(self.world.on_air)

    @property
    def reservations(self) -> str:
        """The key of the reservations."""
        return reservations_key(self.world.on_air)

    async def plant(self, *writes: Callable[[Client], Awaitable[object]]) -> None:
        """Replace both keys by what these write."""
        await self.world.redis.run(lambda client: client.delete(self.balance, self.reservations))
        for write in writes:
            await self.world.redis.run(write)


async def emptied(copies: Copies) -> None:
    """FLUSHALL."""
    copies.valkey.resp.run("FLUSHALL")


async def killed(copies: Copies) -> None:
    """SIGKILL, and away."""
    copies.valkey.kill()


async def frozen(copies: Copies) -> None:
    """SIGSTOP."""
    assert copies.valkey.pid is not None
    os.kill(copies.valkey.pid, signal.SIGSTOP)


async def restarted_empty(copies: Copies) -> None:
    """All data lost, and back at once."""
    copies.valkey.resp.run("FLUSHALL")
    copies.valkey.resp.run("BGREWRITEAOF")
    copies.valkey.kill()
    copies.valkey.start()


async def of_another_type(copies: Copies) -> None:
    """A text in the place of each key."""
    await copies.plant(
        lambda client: client.set(copies.balance, "garbage"), lambda client: client.set(copies.reservations, "garbage")
    )


async def without_an_end(copies: Copies) -> None:
    """A balance that promises plenty for ever, and a full house whose reservations never end."""
    full = {f"chat-{number}": FAR * 1_000 for number in range(100)}
    await copies.plant(
        lambda client: client.hset(copies.balance, mapping={"b": PLENTY, "v": FAR}),
        lambda client: client.zadd(copies.reservations, full),
    )


async def of_an_absurd_version(copies: Copies) -> None:
    """A balance that promises plenty, in a version that nobody will ever reach."""
    await copies.plant(
        lambda client: client.hset(copies.balance, mapping={"b": PLENTY, "v": FAR}),
        lambda client: client.pexpire(copies.balance, BALANCE_LIVES_SECONDS * 1_000),
    )


async def without_a_credit(copies: Copies) -> None:
    """A balance of nothing, in a version that nobody will ever reach."""
    await copies.plant(
        lambda client: client.hset(copies.balance, mapping={"b": 0, "v": FAR}),
        lambda client: client.pexpire(copies.balance, BALANCE_LIVES_SECONDS * 1_000),
    )


async def without_sense(copies: Copies) -> None:
    """A balance that is no number."""
    await copies.plant(
        lambda client: client.hset(copies.balance, mapping={"b": "-1.5e9", "v": ""}),
        lambda client: client.pexpire(copies.balance, BALANCE_LIVES_SECONDS * 1_000),
    )


async def mend(copies: Copies) -> None:
    """A frozen server goes on, one that has ended starts."""
    if copies.valkey.pid is None:
        copies.valkey.start()
    else:
        os.kill(copies.valkey.pid, signal.SIGCONT)


FAULTS: Final = (
    emptied,
    killed,
    frozen,
    restarted_empty,
    of_another_type,
    without_an_end,
    of_an_absurd_version,
    without_a_credit,
    without_sense,
)


async def send_all(guests: list[Guest]) -> list[Frame]:
    """Everybody sends at once."""
    return await asyncio.gather(*(guest.send(TALKING) for guest in guests))


@pytest.mark.parametrize("fault", FAULTS)
async def test_all_is_well_with(
    postgres_url: str, disposable_valkey: EmbeddedValkey, fault: Callable[[Copies], Awaitable[None]]
) -> None:
    url = disposable_valkey.url
    async with (
        made_world(postgres_url, url) as world,
        local_gateway(postgres_url, url, settings=ROOM_FOR_CROWDS) as one,
        local_gateway(postgres_url, url, settings=ROOM_FOR_CROWDS) as other,
    ):
        await world.set_balance(CREDITS)
        copies = Copies(world, disposable_valkey)
        guests = await crowd(world, [one, other], FANS)
        replies = await send_all(guests[:5])
        await eventually(lambda: all(guest.heard for guest in guests[:5]))
        await fault(copies)
        replies += await send_all(guests[5:10])
        await eventually(lambda: all(guest.heard for guest in guests[:10]))
        await mend(copies)
        replies += await send_all(guests[10:])
        assert tally(replies) == {"ok": CREDITS, "no_credit": FANS - CREDITS}
        for guest, reply in zip(guests, replies, strict=True):
            if reply["t"] == "ok":
                await assert_answered(world, guest)
        assert await world.balance() == 0
        await eventually(lambda: agrees(world), AGREED_SECONDS)


async def assert_answered(world: World, guest: Guest) -> None:
    """The answer came to its end, without a gap, and is stored."""
    assert (await guest.done())["why"] == "stop"
    view = ChatView(guest.k)
    for frame in guest.client.frames:
        view.apply(frame)
    stored = await world.postgres.pool.fetchrow(
        "SELECT content, status FROM message WHERE chat_id = $1 AND type = 'AI'", guest.chat_id
    )
    assert stored is not None
    assert tuple(stored) == (guest.heard, "DONE")


async def agrees(world: World) -> bool:
    """Whether Redis answers, and says what Postgres says or nothing."""
    return (await check(world.postgres, world.redis)).differences == ()
