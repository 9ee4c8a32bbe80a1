"""The server goes: clients are told, answers get their time, what is left is kept."""

import asyncio

from tests.support.gateways import LocalGateway, gateway_process, local_gateway
from tests.support.socket_client import of_kind
from tests.support.world import World


async def test_a_running_answer_gets_its_time(gateway: LocalGateway, world: World) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    await client.call("send", k=opened["k"], idem="idem-0001", text="Soon done. [[tokens=50 rate=100]]")
    await client.wait_for(of_kind("d"))
    await gateway.gateway.drain(5.0)
    assert client.of("drain")[0]["within"] == 5000
    assert (await client.wait_for(of_kind("done")))["why"] == "stop"
    assert await client.wait_closed() == 4001


async def test_an_answer_gets_all_of_its_time(gateway: LocalGateway, world: World) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    await client.call("send", k=opened["k"], idem="idem-0001", text="Nearly too long. [[tokens=85 rate=50]]")
    await client.wait_for(of_kind("d"))
    await gateway.gateway.drain(2.0)
    assert (await client.wait_for(of_kind("done")))["why"] == "stop"


async def test_what_takes_too_long_is_saved_as_interrupted(gateway: LocalGateway, world: World) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    await client.call("send", k=opened["k"], idem="idem-0001", text="Endless. [[tokens=5000 rate=50]]")
    await client.wait_for(of_kind("d"))
    await gateway.gateway.drain(0.5)
    done = await client.wait_for(of_kind("done"))
    assert done["why"] == "interrupted"
    row = await world.postgres.pool.fetchrow("SELECT status, length(content) AS length FROM message WHERE type = 'AI'")
    assert row is not None
    assert (row["status"], row["length"]) == ("INTERRUPTED", done["len"])


async def test_an_idle_socket_goes_first_and_new_messages_are_sent_elsewhere(
    gateway: LocalGateway, world: World
) -> None:
    idle = await gateway.connect(await gateway.visit())
    busy = await gateway.connect(await gateway.visit())
    opened = await busy.open_chat("deep-sea-lab")
    await busy.call("send", k=opened["k"], idem="idem-0001", text="Endless. [[tokens=5000 rate=50]]")
    await busy.wait_for(of_kind("d"))
    async with asyncio.TaskGroup() as group:
        draining = group.create_task(gateway.gateway.drain(3.0))
        assert await idle.wait_closed() == 4001
        assert not draining.done()
        other = await busy.open_chat("deep-sea-lab", "open-0002")
        refused = await busy.call("send", k=other["k"], idem="idem-0002", text="One more")
        assert (refused["code"], refused["retry"]) == ("unavailable", True)
    assert await world.balance() == 49


async def test_a_node_that_is_alone_ends_what_a_killed_one_left(
    postgres_url: str, redis_url: str, world: World
) -> None:
    long_lease = {"TALLYLIGHT_LEASE_SECONDS": "600", "TALLYLIGHT_LEASE_RENEWAL_SECONDS": "1"}
    async with gateway_process(postgres_url, redis_url, environment=long_lease) as killed:
        client = await killed.connect()
        opened = await client.open_chat("deep-sea-lab")
        await client.call("send", k=opened["k"], idem="idem-0001", text="Endless. [[tokens=5000 rate=50]]")
        await client.wait_for(lambda frame: frame["t"] == "d" and frame["s"] > 50)  # a second: four checkpoints
        killed.kill()
    async with local_gateway(postgres_url, redis_url, is_sole=True) as gateway:
        successor = await gateway.connect(killed.cookie)
        snapshot = await successor.call("sub", chat=opened["chat"])
        if snapshot["state"] == "answering":
            snapshot = await successor.wait_for(of_kind("opened", state="open"))
        assert snapshot["msgs"][-1]["status"] == "interrupted"
        assert snapshot["msgs"][-1]["text"]
    assert await world.balance() == 49
