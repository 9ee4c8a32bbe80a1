"""A COMMIT that was lost on its way, or whose reply was: it is repeated until its outcome is known, and counts once."""

import asyncio

import pytest

from server.chats.sending import PATIENCE_SECONDS
from tests.chaos.stage import Stage
from tests.chaos.steps import CHARGE, MESSAGES, REFUND, SAVE, SPEND
from tests.support.crowds import Guest, join
from tests.support.postgres_proxy import PostgresProxy, Side, Step, Verdict, cut_once
from tests.support.socket_client import ChatView, of_kind
from tests.support.world import World

QUICK = "Who wins tonight? [[tokens=30 rate=500 delay_ms=10]]"
EMPTY = "Say nothing. [[break=empty delay_ms=10]]"

either_way = pytest.mark.parametrize("side", list(Side))


async def rows(world: World, guest: Guest) -> tuple[str, str, list[str], list[str]]:
    """State, credit, statuses of the messages, kinds of the ledger's entries."""
    pool = world.postgres.pool
    chat = await pool.fetchrow("SELECT state, credit_state FROM chat WHERE id = $1", guest.chat_id)
    assert chat is not None
    messages = await pool.fetch("SELECT status FROM message WHERE chat_id = $1 ORDER BY seq", guest.chat_id)
    entries = await pool.fetch("SELECT kind FROM credit_entry WHERE chat_id = $1 ORDER BY 1", guest.chat_id)
    return chat["state"], chat["credit_state"], [row["status"] for row in messages], [row["kind"] for row in entries]


def see(guest: Guest) -> ChatView:
    """The chat as a client sees it that checks every number."""
    view = ChatView(guest.k)
    for frame in guest.client.frames:
        view.apply(frame)
    return view


@either_way
@pytest.mark.parametrize("part", [CHARGE, SPEND, SAVE])
async def test_an_answer_comes_through_with_one_commit_lost(stage: Stage, part: str, side: Side) -> None:
    async with stage.behind_proxy() as (proxy, gateway):
        guest = await join(stage.world, gateway)
        proxy.hook = cut_once(lambda step: step.side is side and step.is_commit_of(part))
        sent = await guest.send(QUICK)
        assert (sent["t"], sent.get("dup", False)) == ("ok", False)
        assert (await guest.done())["why"] == "stop"
        assert list(see(guest).texts.values())[1] == guest.heard
        again = await guest.send(QUICK)
        assert (again["t"], again["msg"], again["dup"]) == ("ok", sent["msg"], True)
        assert await rows(stage.world, guest) == ("OPEN", "SPENT", ["DONE", "DONE"], ["CHAT"])


@either_way
async def test_a_refund_is_given_once_with_its_commit_lost(stage: Stage, side: Side) -> None:
    async with stage.behind_proxy() as (proxy, gateway):
        before = await stage.world.balance()
        guest = await join(stage.world, gateway)
        proxy.hook = cut_once(lambda step: step.side is side and step.is_commit_of(REFUND))
        assert (await guest.send(EMPTY))["t"] == "ok"
        assert (await guest.done())["why"] == "error"
        assert (await guest.client.wait_for(of_kind("closed")))["why"] == "refunded"
        assert (await guest.client.wait_for(of_kind("credit", why="refund")))["balance"] == before
        assert await rows(stage.world, guest) == ("CLOSED", "REFUNDED", ["DONE", "FAILED"], ["CHAT", "REFUND"])
        assert (await guest.send(EMPTY))["dup"]
        assert (await guest.send(EMPTY, "idem-0002"))["code"] == "closed"


@either_way
async def test_a_later_message_is_answered_once_with_its_commit_lost(stage: Stage, side: Side) -> None:
    async with stage.behind_proxy() as (proxy, gateway):
        guest = await join(stage.world, gateway)
        await guest.send(QUICK)
        await guest.done()
        proxy.hook = cut_once(lambda step: step.side is side and step.is_commit_of(MESSAGES))
        after = len(guest.client.frames)
        assert (await guest.send(QUICK, "idem-0002"))["t"] == "ok"
        assert (await guest.client.wait_for(of_kind("done"), after=after))["why"] == "stop"
        assert (await guest.send(QUICK, "idem-0002"))["dup"]
        assert await rows(stage.world, guest) == ("OPEN", "SPENT", ["DONE"] * 4, ["CHAT"])


async def test_of_many_starts_in_a_lost_commit_each_is_one(stage: Stage) -> None:
    async with stage.behind_proxy() as (proxy, gateway):
        await stage.world.set_balance(7)
        guests = [await join(stage.world, gateway) for _ in range(10)]
        proxy.hook = cut_once(lambda step: step.side is Side.REPLY and step.is_commit_of(CHARGE))
        replies = await asyncio.gather(*(guest.send(QUICK) for guest in guests))
        assert sorted(reply.get("code", "ok") for reply in replies) == ["no_credit"] * 3 + ["ok"] * 7
        for guest, reply in zip(guests, replies, strict=True):
            if reply["t"] == "ok":
                assert (await guest.done())["why"] == "stop"
                assert await rows(stage.world, guest) == ("OPEN", "SPENT", ["DONE", "DONE"], ["CHAT"])
        assert await stage.world.balance() == 0


@pytest.mark.long
async def test_a_start_that_turns_out_committed_after_its_sender_gave_up_just_runs(stage: Stage) -> None:
    async with stage.behind_proxy() as (proxy, gateway):
        guest = await join(stage.world, gateway)
        proxy.hook = go_on = _Silence(proxy)
        lost = await guest.send(QUICK)
        assert (lost["code"], lost["retry"]) == ("unavailable", True)
        go_on.is_over.set()
        assert (await guest.done())["why"] == "stop"
        assert (await guest.send(QUICK))["dup"]
        assert await rows(stage.world, guest) == ("OPEN", "SPENT", ["DONE", "DONE"], ["CHAT"])


class _Silence:
    """Keeps the reply to the first commit of a start until it is over, and loses it then."""

    def __init__(self, proxy: PostgresProxy) -> None:
        self.is_over = asyncio.Event()
        self._is_used = False

    async def __call__(self, step: Step) -> Verdict:
        if self._is_used or step.side is Side.REQUEST or not step.is_commit_of(CHARGE):
            return Verdict.PASS
        self._is_used = True
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            await self.is_over.wait()
        return Verdict.CUT
