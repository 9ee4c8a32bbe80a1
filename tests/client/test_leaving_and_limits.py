"""What a chat of the client refuses by itself, what becomes of a message when its chat is left, and who counts."""

import asyncio

import pytest

from client.chat import Chat
from client.errors import Ended, Refused
from client.link import Phase
from client.tickets import Tickets
from client.wire import Address
from server.auth.api_keys import ApiKeys
from tests.client.recorder import SLOW, Recorder, running_chat
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.world import World

SHORT = "Tell me about the deep. [[tokens=30]]"


async def test_a_text_at_the_limit_goes_and_one_above_is_refused_without_the_server(recorder: Recorder) -> None:
    await recorder.until(lambda: recorder.running.link.phase is Phase.READY)
    with pytest.raises(Refused) as refused:
        await recorder.running.send("x" * 16_001)
    assert (refused.value.code, refused.value.details) == ("too_large", {"limit": 16_000, "length": 16_001})
    longest = "🐙" * (16_000 - len("[[tokens=5]]")) + "[[tokens=5]]"
    await recorder.running.send(longest)
    await recorder.until_event("done")
    assert recorder.phases.count(Phase.READY) == 1


async def test_a_frame_above_the_limit_is_refused_without_the_server(recorder: Recorder) -> None:
    with pytest.raises(Refused) as refused:
        await recorder.running.send("\x01" * 16_000)
    assert refused.value.code == "too_large"
    await recorder.running.send(SHORT)
    await recorder.until_event("done")
    assert recorder.phases.count(Phase.READY) == 1


async def test_a_message_that_is_not_acknowledged_is_given_up_when_its_chat_is_left(recorder: Recorder) -> None:
    sending = asyncio.create_task(recorder.running.send(SLOW))
    await asyncio.sleep(0)  # the chat is being opened for it
    recorder.running.begin_anew()
    with pytest.raises(Refused) as refused:
        await sending
    assert refused.value.code == "left"
    await recorder.running.send(SHORT)
    await recorder.until_event("done")
    assert len(recorder.openings) == 1
    assert not recorder.running.is_answering


async def test_the_late_acknowledgement_of_a_chat_that_was_left_says_nothing_of_the_next_one(
    recorder: Recorder,
) -> None:
    await recorder.running.send(SHORT)
    await recorder.until_event("done")
    sending = asyncio.create_task(recorder.running.send(SLOW))
    await asyncio.sleep(0)  # it is on its way
    recorder.running.begin_anew()
    with pytest.raises(Refused):
        await sending
    await asyncio.sleep(0)
    assert not recorder.running.is_answering
    # A visitor has one answer at a time, and the one that was left still runs: the server has heard of it.
    with pytest.raises(Refused) as busy:
        await recorder.running.send(SHORT)
    assert busy.value.code == "busy"
    assert not recorder.running.is_answering


async def test_a_chat_that_was_left_before_it_was_opened_does_not_count(
    postgres_url: str, redis_url: str, world: World
) -> None:
    settings = {"ws.chats_per_socket": "1"}
    async with (
        local_gateway(postgres_url, redis_url, settings=settings) as gateway,
        running_chat(gateway.url, await gateway.visit()) as recorder,
    ):
        await recorder.until(lambda: recorder.running.link.phase is Phase.READY)
        sending = asyncio.create_task(recorder.running.send(SHORT))
        await asyncio.sleep(0)  # the chat is being opened for it
        recorder.running.begin_anew()
        with pytest.raises(Refused):
            await sending
        connection = recorder.running.link._connection
        assert connection is not None
        await connection.call("watch", channel="deep-sea-lab")  # commands are answered in order
        await recorder.running.send(SHORT)
        await recorder.until_event("done")


async def test_a_key_is_let_in_at_an_address_that_is_full(postgres_url: str, redis_url: str, world: World) -> None:
    _, secret = await ApiKeys(world.postgres).create("of a test")
    settings = {"ws.sockets_per_address": "1"}
    async with local_gateway(postgres_url, redis_url, settings=settings) as gateway:
        await gateway.connect()
        async with Tickets(gateway.url, secret) as tickets:
            recorder = Recorder()
            chat = recorder.chat = Chat(Address(gateway.url), "deep-sea-lab", tickets, listener=recorder)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(chat.run())
                await chat.send(SHORT)
                await recorder.until_event("done")
                chat.close()


async def test_a_message_that_waits_when_the_connection_ends_for_good_says_so(
    gateway: LocalGateway, world: World
) -> None:
    keys = ApiKeys(world.postgres)
    key, secret = await keys.create("of a test")
    async with Tickets(gateway.url, secret) as tickets:
        recorder = Recorder()
        chat = recorder.chat = Chat(Address(gateway.url), "deep-sea-lab", tickets, listener=recorder)
        running = asyncio.create_task(chat.run())
        await recorder.until(lambda: chat.balance is not None)
        recorder.cut()
        await recorder.until(lambda: chat.link.phase is Phase.WAITING)
        sending = asyncio.create_task(chat.send(SHORT))
        await keys.revoke(key.id)
        chat.link.wake()
        with pytest.raises(Refused, match="key"):
            await running
        with pytest.raises(Ended):
            await sending
