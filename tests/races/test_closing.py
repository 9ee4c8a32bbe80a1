"""A close that races a message: either the message is answered and the chat stays as its answer left it, or the chat is
closed and the message refused; and a close whose reply is lost."""

import asyncio

from tests.support.crowds import ROOM_FOR_CROWDS, Guest, join, tally
from tests.support.gateways import local_gateway
from tests.support.postgres_proxy import Side, Step, Verdict, cut_once, pass_on, postgres_proxy
from tests.support.socket_client import ChatView, Frame, of_kind
from tests.support.waiting import eventually
from tests.support.world import World

ROUNDS = 24
QUICK = "Who wins tonight? [[tokens=3 delay_ms=0 rate=0]]"
CLOSE = "UPDATE chat SET state = 'CLOSED'"


async def state(world: World, guest: Guest) -> tuple[str, str, int]:
    """The chat's state, what became of its credit, and its messages."""
    row = await world.postgres.pool.fetchrow(
        "SELECT state, credit_state, (SELECT count(*) FROM message WHERE chat_id = chat.id) FROM chat WHERE id = $1",
        guest.chat_id,
    )
    assert row is not None
    return row[0], row[1], row[2]


async def assert_one_order(world: World, guest: Guest, sent: Frame, closed: Frame) -> None:
    """What both were told is what happened, in one order or the other."""
    await eventually(lambda: _is_at_rest(world, guest))
    if sent["t"] == "ok":
        await guest.done()
        expected = ("OPEN" if closed["t"] == "err" else "CLOSED", "SPENT", 2)
        found = await state(world, guest)
        # A close that stopped the answer before its first token finds the chat closed by the refund.
        assert found in {expected, ("CLOSED", "REFUNDED", 2)}
    else:
        assert (sent["code"], closed["t"]) == ("closed", "ok")
        assert await state(world, guest) == ("CLOSED", "NONE", 0)
    assert closed["t"] == "ok" or closed["code"] == "busy"


async def _is_at_rest(world: World, guest: Guest) -> bool:
    return (await state(world, guest))[0] != "ANSWERING"


async def test_a_close_races_a_message_on_one_node(postgres_url: str, redis_url: str, world: World) -> None:
    async with local_gateway(postgres_url, redis_url, settings=ROOM_FOR_CROWDS) as gateway:
        for number in range(ROUNDS):
            guest = await join(world, gateway)
            twin = await join(world, gateway, guest.cookie)
            calls = [guest.send(QUICK), twin.client.call("close", k=twin.k)]
            first, second = await asyncio.gather(*(calls if number % 2 else calls[::-1]))
            sent, closed = (first, second) if number % 2 else (second, first)
            await assert_one_order(world, guest, sent, closed)


async def test_a_close_races_a_message_on_two_nodes(postgres_url: str, redis_url: str, world: World) -> None:
    async with (
        local_gateway(postgres_url, redis_url, settings=ROOM_FOR_CROWDS) as one,
        local_gateway(postgres_url, redis_url, settings=ROOM_FOR_CROWDS) as other,
    ):
        for _ in range(ROUNDS):
            guest = await join(world, one)
            twin = await join(world, other, guest.cookie)
            replies = await asyncio.gather(guest.send(QUICK), twin.client.call("close", k=twin.k))
            assert tally(replies).keys() <= {"ok", "busy", "closed", "unavailable"}
            await eventually(lambda guest=guest: _is_at_rest(world, guest))  # type: ignore[misc]
            found = await state(world, guest)
            assert (replies[0]["t"] == "ok") == (found[2] == 2)
            assert replies[1]["t"] != "ok" or found[0] == "CLOSED"


async def test_a_close_whose_reply_was_lost_is_found_done(postgres_url: str, redis_url: str, world: World) -> None:
    async with postgres_proxy(postgres_url) as proxy, local_gateway(proxy.url, redis_url) as gateway:
        guest = await join(world, gateway)
        assert (await guest.send(QUICK))["t"] == "ok"
        await guest.done()
        proxy.hook = cut_once(lambda step: CLOSE in step.sql and step.side is Side.REPLY)
        lost = await guest.client.call("close", k=guest.k)
        assert (lost["code"], lost["retry"]) == ("unavailable", True)
        assert (await guest.client.call("close", k=guest.k))["t"] == "ok"
        assert (await guest.client.wait_for(of_kind("closed", k=guest.k)))["why"] == "user"
        assert (await guest.send(QUICK, "idem-0002"))["code"] == "closed"
        assert (await guest.send(QUICK))["dup"]


async def test_a_close_under_an_epoch_that_was_lost_meanwhile_is_tried_once_more(
    postgres_url: str, redis_url: str, world: World
) -> None:
    async with postgres_proxy(postgres_url) as proxy, local_gateway(proxy.url, redis_url) as gateway:
        guest = await join(world, gateway)
        assert (await guest.send(QUICK))["t"] == "ok"
        await guest.done()
        takes = iter(range(1))

        async def hook(step: Step) -> Verdict:
            """Right before the chat is closed another node takes it, once."""
            if CLOSE in step.sql and step.side is Side.REQUEST and next(takes, None) is not None:
                await world.postgres.pool.execute("UPDATE chat SET epoch = epoch + 1 WHERE id = $1", guest.chat_id)
            return Verdict.PASS

        proxy.hook = hook
        assert (await guest.client.call("close", k=guest.k))["t"] == "ok"
        assert (await state(world, guest))[0] == "CLOSED"
        assert await world.postgres.pool.fetchval("SELECT epoch FROM chat WHERE id = $1", guest.chat_id) == 3
        view = ChatView(guest.k)
        for frame in guest.client.frames:
            view.apply(frame)


async def test_a_chat_that_is_taken_behind_its_close_is_only_shown(
    postgres_url: str, redis_url: str, world: World
) -> None:
    async with postgres_proxy(postgres_url) as proxy, local_gateway(proxy.url, redis_url) as gateway:
        guest = await join(world, gateway)

        async def hook(step: Step) -> Verdict:
            """Another node takes the chat before this one hears that it is closed."""
            if CLOSE in step.sql and step.side is Side.REPLY:
                proxy.hook = pass_on
                await world.postgres.pool.execute("UPDATE chat SET epoch = epoch + 1 WHERE id = $1", guest.chat_id)
                await gateway.gateway.live_chats.drop({guest.chat_id: 1})
            return Verdict.PASS

        proxy.hook = hook
        after = len(guest.client.frames)
        assert (await guest.client.call("close", k=guest.k))["t"] == "ok"
        told = [frame for frame in guest.client.frames[after:] if "rid" not in frame and frame["t"] != "credit"]
        assert [(frame["t"], frame.get("state")) for frame in told] == [("opened", "closed")]
