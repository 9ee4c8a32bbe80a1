"""A chat over the socket, from `open` to the rows."""

from tests.support.gateways import LocalGateway
from tests.support.socket_client import ChatView, of_kind
from tests.support.world import World

SHORT = "Tell me about the deep. [[tokens=30]]"


async def test_a_first_message_is_charged_streamed_and_stored(gateway: LocalGateway, world: World) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    done = await client.ask(opened["k"], SHORT, "idem-0001")
    view = ChatView(opened["k"])
    for frame in client.frames:
        view.apply(frame)
    assert done["why"] == "stop"
    message = await world.postgres.pool.fetchrow("SELECT * FROM message WHERE type = 'AI'")
    assert message is not None
    assert message["content"] == view.texts[str(message["id"])]
    assert message["status"] == "DONE"
    chat = await world.postgres.pool.fetchrow("SELECT * FROM chat")
    assert chat is not None
    assert (chat["state"], chat["credit_state"]) == ("OPEN", "SPENT")
    assert chat["tokens_used"] == done["usage"]["used"]
    assert (await client.wait_for(of_kind("credit", why="spend")))["balance"] == 49
    assert await world.balance() == 49
