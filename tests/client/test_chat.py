"""A chat of the client on a real gateway: it survives whatever happens to its connections."""

import asyncio

import pytest

from client.chat import Accepted, Chat
from client.errors import Ended, Refused
from client.link import Phase
from client.tickets import with_cookie
from client.wire import Address
from tests.client.recorder import SLOW, Recorder, running_chat
from tests.support.gateways import LocalGateway, gateway_process
from tests.support.world import World

SHORT = "Tell me about the deep. [[tokens=30]]"


async def test_the_first_message_opens_a_chat_and_its_answer_is_stored_as_it_was_heard(
    recorder: Recorder, world: World
) -> None:
    accepted = await recorder.running.send(SHORT)
    done = await recorder.until_event("done")
    view = recorder.running.view
    stored = await world.postgres.pool.fetchrow("SELECT id, content FROM message WHERE type = 'AI'")
    assert stored is not None
    assert recorder.heard(done["id"]) == stored["content"]
    assert accepted == Accepted(recorder.of("user")[0]["id"], is_repeat=False)
    assert (view.state, view.credit_state, view.running) == ("open", "spent", None)
    await recorder.until(lambda: recorder.running.balance == 49)
    assert recorder.running.channel_status == "ACTIVE"


async def test_text_goes_as_raw_utf8(recorder: Recorder) -> None:
    text = "Grüße, 深海 🐙 [[tokens=5]]"
    await recorder.running.send(text)
    assert (await recorder.until_event("user"))["text"] == text


async def test_a_second_message_goes_on_in_the_same_chat(recorder: Recorder) -> None:
    for number in (1, 2):
        await recorder.running.send(SHORT)
        await recorder.until_event("done", number)
    assert len(recorder.openings) == 1
    assert [message.type for message in recorder.running.view.messages.values()] == ["user", "ai", "user", "ai"]


@pytest.mark.parametrize("deltas", [1, 20, 60])
async def test_a_connection_that_breaks_in_an_answer_is_resumed_without_gap_or_duplicate(
    recorder: Recorder, world: World, deltas: int
) -> None:
    await recorder.running.send(SLOW)
    await recorder.until_event("d", deltas)
    recorder.cut()
    await recorder.until(lambda: Phase.WAITING in recorder.phases)
    recorder.running.link.wake()
    done = await recorder.until_event("done")
    assert recorder.openings[-1]["mode"] == "replay"
    assert recorder.heard(done["id"]) == await world.postgres.pool.fetchval(
        "SELECT content FROM message WHERE type = 'AI'"
    )
    numbers = [number for frame in recorder.events for number in range(frame["s"] - frame.get("n", 1), frame["s"])]
    assert numbers == list(range(done["s"]))


async def test_a_message_written_without_a_connection_is_sent_when_there_is_one(recorder: Recorder) -> None:
    await recorder.running.send(SHORT)
    await recorder.until_event("done")
    recorder.cut()
    await recorder.until(lambda: recorder.running.link.phase is Phase.WAITING)
    accepted = asyncio.create_task(recorder.running.send("Still there? [[tokens=5]]"))
    recorder.running.link.wake()
    assert not (await accepted).is_repeat
    await recorder.until_event("done", 2)


async def test_a_message_whose_answer_was_lost_is_repeated_and_stored_once(recorder: Recorder, world: World) -> None:
    await recorder.running.send(SHORT)
    await recorder.until_event("done")
    accepted = asyncio.create_task(recorder.running.send("Once only. [[tokens=5]]"))
    await asyncio.sleep(0)  # the message is on its way
    connection = recorder.running.link._connection
    assert connection is not None
    connection._replies.clear()  # its acknowledgement is not heard
    await recorder.until_event("done", 2)
    assert not accepted.done()
    recorder.cut()
    await recorder.until(lambda: recorder.running.link.phase is Phase.WAITING)
    recorder.running.link.wake()
    assert (await accepted).is_repeat
    assert await world.postgres.pool.fetchval("SELECT count(*) FROM message WHERE type = 'USER'") == 2


async def test_three_resumes_that_fail_make_the_next_one_without_a_cursor(recorder: Recorder) -> None:
    await recorder.running.send(SHORT)
    await recorder.until_event("done")
    cursor = recorder.running.view.cursor
    for _ in range(4):  # the first one breaks a connection on which nothing was being resumed
        recorder.cut()
        await recorder.until(lambda: recorder.running.link.phase is Phase.WAITING)
        assert recorder.running.view.cursor == cursor
        recorder.running.link.wake()
        await recorder.until(lambda: recorder.running.link.phase is Phase.READY)
    await recorder.until(lambda: recorder.openings[-1]["mode"] == "snapshot")
    assert recorder.running._failed_resumes == 0


async def test_an_answer_can_be_stopped_and_is_kept(recorder: Recorder) -> None:
    await recorder.running.send(SLOW)
    await recorder.until_event("d", 5)
    recorder.running.stop()
    done = await recorder.until_event("done")
    assert done["why"] == "user_stop"
    assert recorder.running.view.messages[done["id"]].status == "stopped"
    assert recorder.heard(done["id"])


async def test_a_stop_before_the_answer_has_begun_ends_it_when_it_begins(recorder: Recorder) -> None:
    sending = asyncio.create_task(recorder.running.send(SLOW))
    await asyncio.sleep(0)
    recorder.running.stop()
    await sending
    assert (await recorder.until_event("done"))["why"] == "user_stop"


async def test_a_refused_message_says_why_and_may_be_repeated(recorder: Recorder, world: World) -> None:
    await world.set_balance(0)
    with pytest.raises(Refused) as refused:
        await recorder.running.send(SHORT, idem="the-same-idem")
    assert refused.value.code == "no_credit"
    await world.set_balance(1)
    await recorder.running.send(SHORT, idem="the-same-idem")
    await recorder.until_event("done")


async def test_a_chat_can_be_gone_on_with(gateway: LocalGateway) -> None:
    cookie = await gateway.visit()
    async with running_chat(gateway.url, cookie) as first:
        await first.running.send(SHORT)
        await first.until_event("done")
    async with running_chat(gateway.url, cookie, chat_id=first.running.view.chat) as second:
        await second.until(lambda: second.openings)
        assert [message.type for message in second.running.view.messages.values()] == ["user", "ai"]
        await second.running.send(SHORT)
        await second.until_event("done")


async def test_a_chat_of_somebody_else_cannot_be_followed(gateway: LocalGateway, recorder: Recorder) -> None:
    await recorder.running.send(SHORT)
    admit = with_cookie(await gateway.visit(), gateway.url)
    chat = Chat(Address(gateway.url), "deep-sea-lab", admit, chat_id=recorder.running.view.chat)
    with pytest.raises(Refused, match="chat") as refused:
        await chat.run()
    assert refused.value.code == "not_found"


async def test_who_has_no_identity_does_not_come_back(gateway: LocalGateway) -> None:
    chat = Chat(Address(gateway.url), "deep-sea-lab", with_cookie("tallylight_session=nobody", gateway.url))
    with pytest.raises(Ended) as ended:
        await chat.run()
    assert ended.value.end.code == 4501


async def test_leaving_a_chat_makes_the_next_message_the_first_of_another_one(recorder: Recorder) -> None:
    await recorder.running.send(SHORT)
    await recorder.until_event("done")
    first = recorder.running.view.chat
    recorder.running.begin_anew()
    await recorder.running.send(SHORT)
    await recorder.until_event("done", 2)
    assert recorder.running.view.chat not in {None, first}


async def test_a_killed_server_that_is_back_has_the_chat(postgres_url: str, redis_url: str, world: World) -> None:
    async with gateway_process(postgres_url, redis_url) as first:
        port = int(first.url.rpartition(":")[2])
        cookie = await first.visit()
        async with running_chat(first.url, cookie) as recorder:
            await recorder.running.send("A long story, please. [[tokens=2000 rate=50]]")
            await recorder.until_event("d", 10)
            first.kill()
            await recorder.until(lambda: Phase.WAITING in recorder.phases)
            async with gateway_process(postgres_url, redis_url, port=port):
                recorder.running.link.wake()
                await recorder.until(
                    lambda: any(one.status == "interrupted" for one in recorder.running.view.messages.values())
                )
                await recorder.running.send(SHORT)
                await recorder.until_event("done")
