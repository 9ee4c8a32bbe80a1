"""Two gateways on one database: a chat is written by one, and the other shows what it stored."""

from collections.abc import AsyncIterator

import pytest

from tests.support.gateways import LocalGateway, local_gateway
from tests.support.socket_client import of_kind
from tests.support.world import World


@pytest.fixture
async def other(postgres_url: str, redis_url: str, world: World) -> AsyncIterator[LocalGateway]:
    """A second node."""
    async with local_gateway(postgres_url, redis_url) as running:
        yield running


async def test_the_end_of_an_answer_reaches_who_follows_on_another_node(
    gateway: LocalGateway, other: LocalGateway
) -> None:
    writer = await gateway.connect()
    opened = await writer.open_chat("deep-sea-lab")
    await writer.call("send", k=opened["k"], idem="idem-0001", text="Soon done. [[tokens=60 rate=60]]")
    await writer.wait_for(of_kind("d"))
    reader = await other.connect(gateway.cookie)
    snapshot = await reader.call("sub", chat=opened["chat"])
    assert (snapshot["epoch"], snapshot["msgs"][-1]["status"]) == ("0", "streaming")
    done = await writer.wait_for(of_kind("done"))
    shown = await reader.wait_for(of_kind("opened", state="open"))
    assert shown["msgs"][-1]["status"] == "done"
    assert len(shown["msgs"][-1]["text"]) == done["len"]


async def test_a_chat_goes_on_at_another_node_and_comes_back(gateway: LocalGateway, other: LocalGateway) -> None:
    here = await gateway.connect()
    opened = await here.open_chat("deep-sea-lab")
    await here.ask(opened["k"], "One. [[tokens=5]]", "idem-0001")
    there = await other.connect(gateway.cookie)
    shown = await there.call("sub", chat=opened["chat"])
    await there.ask(shown["k"], "Two. [[tokens=5]]", "idem-0002")
    await here.wait_for(lambda frame: frame["t"] == "opened" and len(frame["msgs"]) == 4)
    after = len(here.frames)
    await here.ask(opened["k"], "Three. [[tokens=5]]", "idem-0003")
    reopened = next(frame for frame in here.frames[after:] if frame["t"] == "opened")
    assert reopened["epoch"] == "3"


async def test_a_chat_that_was_read_before_is_shown_as_it_is_now(gateway: LocalGateway, other: LocalGateway) -> None:
    here = await gateway.connect()
    there = await other.connect(gateway.cookie)
    opened = await here.open_chat("deep-sea-lab")
    first = await there.call("sub", chat=opened["chat"])
    assert first["msgs"] == []
    await there.call("unsub", k=first["k"])
    await here.ask(opened["k"], "One. [[tokens=5]]", "idem-0001")
    again = await there.call("sub", chat=opened["chat"])
    assert [message["status"] for message in again["msgs"]] == ["done", "done"]
