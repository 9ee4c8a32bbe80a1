"""A channel may have a model of its own where the provider knows several."""

import pytest

from server.llm.scripted_server import ScriptedServer
from tests.support.gateways import LocalGateway
from tests.support.world import World


@pytest.mark.parametrize("own", [None, "tuned-for-the-deep"])
async def test_the_model_that_is_asked_is_the_channels(
    asking: LocalGateway, world: World, upstream: ScriptedServer, own: str | None
) -> None:
    await world.postgres.pool.execute("UPDATE channel SET model = $1", own)
    client = await asking.connect()
    opened = await client.open_chat("deep-sea-lab")
    await client.ask(opened["k"], "Hello. [[tokens=5]]", "idem-0001")
    assert client.of("start")[0]["model"] == (own or "usual-model")
    assert upstream.requests[-1].model == (own or "usual-model")
