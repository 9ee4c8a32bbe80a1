"""A message may follow an older one; what the model is told is that branch."""

from uuid import UUID

from tests.support.gateways import LocalGateway
from tests.support.rows import Rows
from tests.support.world import World

TURNS = 30
"""More messages than are held in memory."""


async def test_a_message_may_follow_one_that_is_older_than_what_is_shown(gateway: LocalGateway, world: World) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    await client.ask(opened["k"], "First. [[tokens=5]]", "idem-0001")
    await client.call("unsub", k=opened["k"])
    gateway.gateway.live_chats.forget_idle(float("inf"))
    rows = Rows(world.postgres)
    turns = [
        await rows.turn(UUID(opened["chat"]), 3 + 2 * number, f"Question {number}", "Answer") for number in range(TURNS)
    ]
    again = await client.call("sub", chat=opened["chat"])
    oldest_answer = str(turns[0][1])
    assert oldest_answer not in {message["id"] for message in again["msgs"]}
    sent = await client.call("send", k=again["k"], idem="idem-0002", text="Back [[tokens=5]]", parent=oldest_answer)
    assert sent["t"] == "ok", sent
    parent = await world.postgres.pool.fetchval("SELECT parent_id FROM message WHERE idem = 'idem-0002'")
    assert str(parent) == oldest_answer


async def test_a_message_cannot_follow_one_of_another_chat(gateway: LocalGateway) -> None:
    client = await gateway.connect()
    first = await client.open_chat("deep-sea-lab", "open-0001")
    done = await client.ask(first["k"], "First. [[tokens=5]]", "idem-0001")
    second = await client.open_chat("deep-sea-lab", "open-0002")
    refused = await client.call("send", k=second["k"], idem="idem-0002", text="Elsewhere", parent=done["id"])
    assert (refused["t"], refused["code"]) == ("err", "not_found")
