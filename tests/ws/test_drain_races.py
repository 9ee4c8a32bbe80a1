"""The server goes while a message is between its prompt and its answer."""

import asyncio

from server.gateway import DRAIN_LOOK_SECONDS
from tests.support.crowds import join
from tests.support.gateways import local_gateway
from tests.support.postgres_proxy import Side, Step, Verdict, postgres_proxy
from tests.support.socket_client import of_kind
from tests.support.world import World

QUICK = "Who wins tonight? [[tokens=3 delay_ms=0 rate=0]]"
MESSAGES = "INSERT INTO message"
LOOKS = 10
"""How often the drain may see that nothing runs and would end."""


class HeldReply:
    """Holds the reply to the commit of a message until it is told to go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, step: Step) -> Verdict:
        if step.side is Side.REPLY and step.is_commit_of(MESSAGES):
            self.reached.set()
            await self.go_on.wait()
        return Verdict.PASS


async def test_a_message_that_is_being_stored_is_answered_before_the_server_goes(
    postgres_url: str, redis_url: str, world: World
) -> None:
    async with postgres_proxy(postgres_url) as proxy, local_gateway(proxy.url, redis_url) as gateway:
        guest = await join(world, gateway)
        proxy.hook = held = HeldReply()
        await guest.client.command("send", k=guest.k, idem="idem-0001", text=QUICK)
        async with asyncio.timeout(10):
            await held.reached.wait()
            async with asyncio.TaskGroup() as group:
                draining = group.create_task(gateway.gateway.drain(5.0))
                await guest.client.wait_for(of_kind("drain"))
                done, _ = await asyncio.wait({draining}, timeout=LOOKS * DRAIN_LOOK_SECONDS)
                assert not done
                held.go_on.set()
            assert (await guest.client.wait_for(of_kind("done")))["why"] == "stop"
            assert await guest.client.wait_closed() == 4001
        row = await world.postgres.pool.fetchrow("SELECT status, content FROM message WHERE type = 'AI'")
        assert row is not None
        assert row["status"] == "DONE"
        assert row["content"]
