"""Coming back: cut anywhere, there is no gap and no duplicate; a snapshot where the log cannot tell."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from server.chats import live_chats
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.socket_client import ChatView, Frame, SocketClient, of_kind
from tests.support.world import World

SLOW = "A long story, please. [[tokens=120 rate=150]]"


async def ask_and_wait_for(client: SocketClient, k: int, deltas: int, text: str = SLOW) -> None:
    """Send a message and wait until that many tokens of its answer have come."""
    assert (await client.call("send", k=k, idem="idem-0001", text=text))["t"] == "ok"
    await client.wait_for(lambda frame: frame["t"] == "d" and frame["s"] >= deltas)


def seen_by(client: SocketClient, k: int, view: ChatView | None = None) -> ChatView:
    """What the client knows after its frames, on top of what it knew."""
    view = view or ChatView(k)
    view.k = k
    for frame in client.frames:
        view.apply(frame)
    return view


async def resume(gateway: LocalGateway, chat: str, view: ChatView) -> tuple[SocketClient, Frame]:
    client = await gateway.connect()
    opened = await client.call("sub", chat=chat, epoch=view.epoch, seq=view.last)
    assert opened["t"] == "opened", opened
    return client, opened


@pytest.mark.parametrize("deltas", [3, 17, 60])
async def test_a_socket_cut_in_the_middle_gets_the_rest_and_nothing_twice(
    gateway: LocalGateway, world: World, deltas: int
) -> None:
    first = await gateway.connect()
    opened = await first.open_chat("deep-sea-lab")
    await ask_and_wait_for(first, opened["k"], deltas)
    first.abort()
    await first.wait_closed()
    view = seen_by(first, opened["k"])
    second, resumed = await resume(gateway, opened["chat"], view)
    assert resumed["mode"] == "replay"
    done = await second.wait_for(of_kind("done"))
    seen_by(second, resumed["k"], view)
    stored = await world.postgres.pool.fetchval("SELECT content FROM message WHERE type = 'AI'")
    assert view.texts[done["id"]] == stored
    assert view.last == done["s"]


@pytest.fixture
async def patient_gateway(postgres_url: str, redis_url: str, world: World) -> AsyncIterator[LocalGateway]:
    """A gateway that takes many commands a second."""
    async with local_gateway(postgres_url, redis_url, settings={"ws.commands_burst": "1000"}) as running:
        yield running


async def test_every_cursor_of_an_answer_is_resumed_exactly(patient_gateway: LocalGateway) -> None:
    client = await patient_gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    done = await client.ask(opened["k"], "Short. [[tokens=12]]", "idem-0001")
    whole = seen_by(client, opened["k"])
    for seq in range(done["s"] + 1):
        view = ChatView(opened["k"], opened["epoch"], seq)
        after = len(client.frames)
        again = await client.call("sub", chat=opened["chat"], epoch=opened["epoch"], seq=seq)
        assert again["k"] == opened["k"]
        await client.call("watch", channel="deep-sea-lab")
        if again["mode"] == "replay":
            covered = [frame for frame in client.frames[after:] if frame.get("k") == view.k and "s" in frame]
            assert sum(frame.get("n", 1) for frame in covered) == done["s"] - seq
        else:
            assert again["msgs"][-1]["text"] == whole.texts[done["id"]]


@pytest.mark.parametrize("answers", [1, 2, 3, 6])
async def test_whole_answers_that_were_missed_are_all_there_after_the_return(
    patient_gateway: LocalGateway, answers: int
) -> None:
    """A replay while that is little; a snapshot where it would be more than may wait for a slow reader."""
    there = await patient_gateway.connect()
    opened = await there.open_chat("deep-sea-lab")
    await there.ask(opened["k"], "Short. [[tokens=5]]", "idem-0000")
    left = await patient_gateway.connect()
    k: int = (await left.call("sub", chat=opened["chat"]))["k"]
    view = seen_by(left, k)
    await left.close()
    for number in range(1, answers + 1):
        done = await there.ask(opened["k"], "Long. [[tokens=2048 rate=0]]", f"idem-000{number}")
    back, resumed = await resume(patient_gateway, opened["chat"], view)
    await back.call("watch", channel="deep-sea-lab")
    assert [frame["t"] for frame in back.frames].count("opened") == 1
    seen_by(back, resumed["k"], view)
    assert view.last == done["s"]
    assert len(view.texts[done["id"]]) == done["len"]


async def test_a_second_tab_follows_the_running_answer_from_a_snapshot(gateway: LocalGateway) -> None:
    first = await gateway.connect()
    opened = await first.open_chat("deep-sea-lab")
    await ask_and_wait_for(first, opened["k"], 20)
    second = await gateway.connect()
    snapshot = await second.call("sub", chat=opened["chat"])
    assert (snapshot["mode"], snapshot["state"]) == ("snapshot", "answering")
    done = await first.wait_for(of_kind("done"))
    await second.wait_for(of_kind("done"))
    assert seen_by(first, opened["k"]).texts == seen_by(second, snapshot["k"]).texts
    assert done["why"] == "stop"


async def test_who_joins_before_the_first_token_sees_an_empty_streaming_message(gateway: LocalGateway) -> None:
    first = await gateway.connect()
    opened = await first.open_chat("deep-sea-lab")
    await first.call("send", k=opened["k"], idem="idem-0001", text="Think. [[tokens=5 delay_ms=400]]")
    await first.wait_for(of_kind("start"))
    second = await gateway.connect()
    snapshot = await second.call("sub", chat=opened["chat"])
    assert (snapshot["msgs"][-1]["status"], snapshot["msgs"][-1]["text"]) == ("streaming", "")
    await second.wait_for(of_kind("done"))
    view = seen_by(second, snapshot["k"])
    assert view.done


async def test_a_cursor_of_another_epoch_gets_a_snapshot(gateway: LocalGateway) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    await client.ask(opened["k"], "Short. [[tokens=5]]", "idem-0001")
    for epoch, seq in (("77", 3), (opened["epoch"], 10_000), ("", 1), (opened["epoch"], -1)):
        again = await client.call("sub", chat=opened["chat"], epoch=epoch, seq=seq)
        assert again["mode"] == "snapshot"


async def test_a_closed_tab_does_not_stop_the_answer(gateway: LocalGateway, world: World) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    await ask_and_wait_for(client, opened["k"], 5)
    await client.close()
    chat = next(iter(gateway.gateway.live_chats))
    async with asyncio.timeout(10):
        await chat.ended.wait()
    row = await world.postgres.pool.fetchrow("SELECT status, content FROM message WHERE type = 'AI'")
    assert row is not None
    assert row["status"] == "DONE"
    assert row["content"] == chat.transcript.messages[-1].text


async def test_an_answer_that_nobody_follows_is_stopped_softly_and_kept(
    postgres_url: str, redis_url: str, world: World
) -> None:
    settings = {"chat.follower_grace_seconds": "0.2"}
    async with local_gateway(postgres_url, redis_url, settings=settings) as gateway:
        client = await gateway.connect()
        opened = await client.open_chat("deep-sea-lab")
        await ask_and_wait_for(client, opened["k"], 5, "Endless. [[tokens=5000 rate=50]]")
        await client.close()
        chat = next(iter(gateway.gateway.live_chats))
        async with asyncio.timeout(10):
            await chat.ended.wait()
    row = await world.postgres.pool.fetchrow("SELECT status, content FROM message WHERE type = 'AI'")
    assert row is not None
    assert row["status"] == "STOPPED"
    assert row["content"]


async def test_stop_keeps_the_partial_text_and_works_from_another_tab(gateway: LocalGateway, world: World) -> None:
    first = await gateway.connect()
    second = await gateway.connect()
    opened = await first.open_chat("deep-sea-lab")
    await ask_and_wait_for(first, opened["k"], 10, "Endless. [[tokens=5000 rate=100]]")
    snapshot = await second.call("sub", chat=opened["chat"])
    answer = snapshot["msgs"][-1]["id"]
    assert (await second.call("stop", k=snapshot["k"], msg=answer))["t"] == "ok"
    done = await first.wait_for(of_kind("done"))
    assert done["why"] == "user_stop"
    assert (await second.call("stop", k=snapshot["k"], msg=answer))["t"] == "ok"
    row = await world.postgres.pool.fetchrow("SELECT status, content FROM message WHERE type = 'AI'")
    assert row is not None
    assert (row["status"], row["content"]) == ("STOPPED", seen_by(first, opened["k"]).texts[answer])


async def test_stop_before_the_first_token_refunds_and_ends_the_chat(gateway: LocalGateway, world: World) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    await client.call("send", k=opened["k"], idem="idem-0001", text="Think. [[delay_ms=30000]]")
    start = await client.wait_for(of_kind("start"))
    await client.call("stop", k=opened["k"], msg=start["id"])
    done = await client.wait_for(of_kind("done"))
    closed = await client.wait_for(of_kind("closed"))
    assert (done["why"], closed["why"]) == ("user_stop", "refunded")
    assert (await client.wait_for(of_kind("credit", why="refund")))["balance"] == 50
    assert await world.balance() == 50


async def test_a_chat_goes_on_after_its_first_answer_without_another_charge(
    gateway: LocalGateway, world: World
) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    for number in range(3):
        await client.ask(opened["k"], f"Question {number} [[tokens=8]]", f"idem-000{number}")
    assert await world.balance() == 49
    rows = await world.postgres.pool.fetch("SELECT seq, parent_id, id FROM message ORDER BY seq")
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row["parent_id"] for row in rows] == [None, *(row["id"] for row in rows[:-1])]


async def test_a_restarted_server_shows_the_chat_and_takes_it_with_the_next_message(
    postgres_url: str, redis_url: str, world: World
) -> None:
    async with local_gateway(postgres_url, redis_url) as gateway:
        client = await gateway.connect()
        opened = await client.open_chat("deep-sea-lab")
        await client.ask(opened["k"], "Before. [[tokens=6]]", "idem-0001")
        before = seen_by(client, opened["k"])
        cookie = gateway.cookie
    async with local_gateway(postgres_url, redis_url) as gateway:
        client = await gateway.connect(cookie)
        snapshot = await client.call("sub", chat=opened["chat"], epoch=before.epoch, seq=before.last)
        assert (snapshot["mode"], snapshot["epoch"]) == ("snapshot", "0")
        repeat = await client.call("send", k=snapshot["k"], idem="idem-0001", text="Before. [[tokens=6]]")
        assert (repeat["t"], repeat["dup"]) == ("ok", True)
        await client.ask(snapshot["k"], "After. [[tokens=6]]", "idem-0002")
        reopened = client.of("opened")[-1]
        assert "rid" not in reopened
        assert int(reopened["epoch"]) > int(opened["epoch"])
        view = seen_by(client, snapshot["k"])
        assert len(view.texts) == 4
    assert await world.balance() == 49


async def test_a_chat_that_nobody_follows_is_forgotten_and_found_again(
    gateway: LocalGateway, postgres_url: str
) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    await client.ask(opened["k"], "Short. [[tokens=5]]", "idem-0001")
    await client.call("unsub", k=opened["k"])
    chats = gateway.gateway.live_chats
    chats.forget_idle(next(iter(chats)).idle_since_seconds + live_chats.IDLE_SECONDS + 1)
    assert not list(chats)
    again = await client.call("sub", chat=opened["chat"], epoch=opened["epoch"], seq=1)
    assert (again["mode"], again["epoch"]) == ("snapshot", "0")
    assert len(again["msgs"]) == 2
    await client.ask(again["k"], "Again. [[tokens=5]]", "idem-0002")
    assert len(seen_by(client, again["k"]).texts) == 4


async def test_close_stops_the_answer_and_makes_the_chat_read_only(gateway: LocalGateway, world: World) -> None:
    client = await gateway.connect()
    opened = await client.open_chat("deep-sea-lab")
    await ask_and_wait_for(client, opened["k"], 5, "Endless. [[tokens=5000 rate=100]]")
    assert (await client.call("close", k=opened["k"]))["t"] == "ok"
    assert (await client.wait_for(of_kind("closed")))["why"] == "user"
    refused = await client.call("send", k=opened["k"], idem="idem-0002", text="More")
    assert (refused["t"], refused["code"]) == ("err", "closed")
    assert (await client.call("close", k=opened["k"]))["t"] == "ok"
    assert await world.postgres.pool.fetchval("SELECT state FROM chat") == "CLOSED"


async def test_a_purchase_elsewhere_reaches_every_watching_page(gateway: LocalGateway, world: World) -> None:
    client = await gateway.connect()
    await client.call("watch", channel="deep-sea-lab")
    assert (await client.wait_for(of_kind("credit", why="now")))["balance"] == 50
    await world.set_balance(60)
    assert (await client.wait_for(of_kind("credit", why="adjust")))["balance"] == 60


async def test_a_pending_channel_tells_its_funding(gateway: LocalGateway) -> None:
    client = await gateway.connect()
    await client.call("watch", channel="night-kitchen")
    channel = await client.wait_for(of_kind("channel"))
    assert (channel["status"], channel["activationFunding"], channel["activationGoal"]) == ("PENDING", 500, 1000)
    refused = await client.call("open", channel="night-kitchen", idem="idem-open")
    assert (refused["t"], refused["code"]) == ("err", "channel_pending")
