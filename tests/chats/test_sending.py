"""A message before its turn: what is refused before the model is asked, who waits for whom, and for how long."""

import asyncio
from collections.abc import Callable

import pytest

from server.auth.cookies import LOOPBACK_NAME
from server.auth.sessions import SessionLimits, Sessions
from server.chats.line import WAITING_MAX
from server.chats.live_chat import LiveChat
from server.chats.sending import PATIENCE_SECONDS
from server.domain.identity import Identity
from server.llm.scripted_server import ScriptedServer
from tests.support.crowds import Guest, join
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.postgres_proxy import Side, Step, Verdict, pass_on, postgres_proxy
from tests.support.rows import Rows
from tests.support.socket_client import Frame, of_kind
from tests.support.waiting import eventually
from tests.support.world import World

QUICK = "Who wins tonight? [[tokens=3 delay_ms=0 rate=0]]"
TURNS = 40
"""More messages than a chat in memory has."""
FIRST_LOOK = "AS is_stored"
LOCK = "AS last_seq"
"""Of the commit of a message: the chats are locked and read."""
LOAD = "AS channel_model"
"""Of the reading of a chat."""


async def make_visitor(world: World) -> tuple[Identity, str]:
    """A new visitor and their cookie."""
    identity, token = await Sessions(world.postgres, SessionLimits()).create_visitor()
    return identity, f"{LOOPBACK_NAME}={token}"


def live_chat(gateway: LocalGateway, guest: Guest) -> LiveChat:
    """The guest's chat in the memory of the gateway."""
    chat = gateway.gateway.live_chats.held(guest.chat_id)
    assert chat is not None
    return chat


async def messages(world: World, guest: Guest) -> int:
    """How many messages are stored."""
    return int(await world.postgres.pool.fetchval("SELECT count(*) FROM message WHERE chat_id = $1", guest.chat_id))


@pytest.mark.parametrize("is_visitor", [True, False])
async def test_the_model_is_not_asked_for_a_channel_that_is_off_air(
    asking: LocalGateway, world: World, upstream: ScriptedServer, is_visitor: bool
) -> None:
    identity, cookie = await make_visitor(world)
    if not is_visitor:
        user_id = await Rows(world.postgres).user("someone")
        await world.postgres.pool.execute("UPDATE session SET user_id = $2 WHERE id = $1", identity.session_id, user_id)
    guest = await join(world, asking, cookie)
    await world.postgres.pool.execute("UPDATE channel SET status = 'INACTIVE' WHERE id = $1", world.on_air)
    assert (await guest.send(QUICK))["code"] == "channel_inactive"
    assert not upstream.requests


async def test_the_model_is_not_asked_again_for_a_message_older_than_those_in_memory(
    asking: LocalGateway, world: World, upstream: ScriptedServer
) -> None:
    rows = Rows(world.postgres)
    identity, cookie = await make_visitor(world)
    chat_id = await rows.chat(identity, world.on_air)
    turns = [await rows.turn(chat_id, 2 * number + 1, QUICK, "They do.") for number in range(TURNS)]
    client = await asking.connect(cookie)
    opened = await client.call("sub", chat=str(chat_id))
    first, _ = turns[0]
    sent = await client.call("send", k=opened["k"], idem=str(first), text=QUICK)
    assert (sent["t"], sent.get("dup"), sent.get("msg")) == ("ok", True, str(first))
    assert not upstream.requests


async def test_an_epoch_that_is_lost_before_the_commit_is_taken_anew(
    postgres_url: str, redis_url: str, world: World
) -> None:
    async with postgres_proxy(postgres_url) as proxy, local_gateway(proxy.url, redis_url) as gateway:
        guest = await join(world, gateway)

        async def hook(step: Step) -> Verdict:
            """Another node takes the chat."""
            if FIRST_LOOK in step.sql and step.side is Side.REPLY:
                proxy.hook = pass_on
                await world.postgres.pool.execute("UPDATE chat SET epoch = epoch + 1 WHERE id = $1", guest.chat_id)
                await gateway.gateway.live_chats.drop({guest.chat_id: 1})
            return Verdict.PASS

        proxy.hook = hook
        assert (await guest.send(QUICK))["t"] == "ok"
        assert (await guest.done())["why"] == "stop"
        assert live_chat(gateway, guest).epoch == 3


async def test_a_lost_chat_that_cannot_be_read_is_unavailable(postgres_url: str, redis_url: str, world: World) -> None:
    async with postgres_proxy(postgres_url) as proxy, local_gateway(proxy.url, redis_url) as gateway:
        guest = await join(world, gateway)
        takes = iter(range(1))

        async def hook(step: Step) -> Verdict:
            """Another node takes the chat, and then Postgres does not let it be read."""
            if LOCK in step.sql and step.side is Side.REQUEST and next(takes, None) is not None:
                await world.postgres.pool.execute("UPDATE chat SET epoch = epoch + 1 WHERE id = $1", guest.chat_id)
            return Verdict.CUT if LOAD in step.sql else Verdict.PASS

        proxy.hook = hook
        refused = await guest.send(QUICK)
        assert (refused["code"], refused["retry"]) == ("unavailable", True)


async def test_of_many_messages_in_front_of_one_chat_the_last_is_told_to_slow_down(
    postgres_url: str, redis_url: str, world: World
) -> None:
    settings = {"ws.commands_burst": "1000", "ws.commands_per_second": "1000"}
    async with local_gateway(postgres_url, redis_url, settings=settings) as gateway:
        guest = await join(world, gateway)
        async with live_chat(gateway, guest).sending:
            rids = [
                await guest.client.command("send", k=guest.k, idem=f"idem-{number:04}", text=QUICK)
                for number in range(WAITING_MAX + 1)
            ]
            refused = await guest.client.wait_for(of_kind("err", code="overloaded"))
            assert (refused["rid"], refused["retry"], refused["after"]) == (rids[-1], True, 1)
        answers = [await guest.client.wait_for(answer_to(rid)) for rid in rids[:-1]]
        assert [answer.get("code", answer["t"]) for answer in answers] == ["ok"] + ["busy"] * (WAITING_MAX - 1)
        await guest.done()


def answer_to(rid: int) -> Callable[[Frame], bool]:
    """Matches the answer to a command."""
    return lambda frame: frame.get("rid") == rid


@pytest.mark.long
async def test_a_message_that_waited_too_long_for_its_turn_is_given_up(
    postgres_url: str, redis_url: str, world: World
) -> None:
    async with local_gateway(postgres_url, redis_url) as gateway:
        guest = await join(world, gateway)
        chat = live_chat(gateway, guest)
        async with chat.sending:
            refused = await guest.send(QUICK)
            assert (refused["code"], refused["retry"]) == ("unavailable", True)
            await eventually(lambda: not chat.sends_waiting)
        assert (await guest.send(QUICK, "idem-0002"))["t"] == "ok"
        await guest.done()
        assert await messages(world, guest) == 2


@pytest.mark.long
async def test_a_message_whose_sender_gave_up_before_its_commit_is_not_stored(
    postgres_url: str, redis_url: str, world: World
) -> None:
    async with postgres_proxy(postgres_url) as proxy, local_gateway(proxy.url, redis_url) as gateway:
        guest = await join(world, gateway)
        go_on = asyncio.Event()

        async def hook(step: Step) -> Verdict:
            """Hold the first look."""
            if FIRST_LOOK in step.sql and step.side is Side.REPLY:
                proxy.hook = pass_on
                async with asyncio.timeout(2 * PATIENCE_SECONDS):
                    await go_on.wait()
            return Verdict.PASS

        proxy.hook = hook
        assert (await guest.send(QUICK))["code"] == "unavailable"
        go_on.set()
        await eventually(lambda: not live_chat(gateway, guest).is_busy)
        assert not await messages(world, guest)
