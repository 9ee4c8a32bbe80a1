"""How a running answer ends when Postgres, or another node, does not let it end as usual."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import pytest

from server.chats.checkpoints import Checkpoints
from server.chats.commits import GroupCommit
from server.chats.history import load_chat
from server.chats.live_chat import LiveChat
from server.chats.live_chats import LiveChats
from server.chats.nodes import Node
from server.chats.settling import Settling
from server.chats.transcript import LiveMessage
from server.chats.turns import Turn, TurnDeps
from server.config import ModelConfig
from server.domain.chats import CreditState, MessageStatus, MessageType
from server.ledger.credits import Credits
from server.llm.answers import AnswerLimits, AnswerRequest, Answers, Piece
from server.llm.model import PromptMessage
from server.llm.scripted_model import ScriptedModel
from server.llm.scripted_server import ScriptedServer
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from server.ws.encoding import encode_event
from tests.support.crowds import join
from tests.support.gateways import local_gateway
from tests.support.nodes import joined_node
from tests.support.postgres_proxy import Side, Step, Verdict, postgres_proxy
from tests.support.rows import Rows
from tests.support.socket_client import of_kind
from tests.support.waiting import eventually
from tests.support.world import World

ENDLESS = "Tell me everything. [[tokens=5000 delay_ms=0 rate=100]]"
QUICK = "Who wins tonight? [[tokens=3 delay_ms=0 rate=0]]"
SAVE = "BEGIN"
"""The first statement with which an answer is saved, and it alone where nothing else is asked."""


async def test_a_stopped_answer_leaves_its_provider_before_it_is_saved(
    postgres_url: str, redis_url: str, world: World, upstream: ScriptedServer, upstream_model: ModelConfig
) -> None:
    async with (
        postgres_proxy(postgres_url) as proxy,
        local_gateway(proxy.url, redis_url, model=upstream_model) as gateway,
    ):
        guest = await join(world, gateway)
        assert (await guest.send(ENDLESS))["t"] == "ok"
        await guest.client.wait_for(of_kind("d"))
        proxy.stop()
        await guest.client.call("stop", k=guest.k, msg=guest.client.of("start")[0]["id"])
        await eventually(lambda: upstream.open_streams == 0)
        assert upstream.left_streams == 1
        assert not guest.client.of("done")
        await proxy.start()
        assert (await guest.done())["why"] == "user_stop"


@dataclass
class Held:
    """Holds the first request of this kind, until it is told to go on."""

    part: str
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, step: Step) -> Verdict:
        if self.part in step.sql and step.side is Side.REQUEST and not self.reached.is_set():
            self.reached.set()
            await self.go_on.wait()
        return Verdict.PASS


class NewerTurn:
    """What runs another answer."""

    def stop(self) -> None:
        """It is not asked to."""

    def followers_changed(self, count: int) -> None:
        """It does not mind."""


def turn_of(chat: LiveChat, deps: TurnDeps) -> tuple[Turn, "asyncio.Task[Piece | None]"]:
    """A turn of a short answer, and its first piece."""
    answers = Answers(ScriptedModel(), AnswerLimits())
    answer = answers.ask(AnswerRequest([PromptMessage("user", QUICK)], 100, "length"))
    return Turn(deps, chat, answer_of(new_id()), answer, 60.0), asyncio.ensure_future(anext(answer, None))


def answer_of(parent_id: UUID) -> LiveMessage:
    """An answer that begins."""
    return LiveMessage(
        id=new_id(),
        type=MessageType.AI,
        status=MessageStatus.STREAMING,
        seq=2,
        tokens=0,
        created_at=datetime.now(UTC),
        parent_id=parent_id,
    )


@pytest.mark.parametrize("where", ["postgres_url", "empty_postgres_url"], ids=["saved", "broken"])
async def test_an_answer_that_ends_late_leaves_the_newer_one_of_its_chat_alone(
    world: World, request: pytest.FixtureRequest, where: str
) -> None:
    rows = Rows(world.postgres)
    loaded = await load_chat(world.postgres, await rows.chat(await rows.session(), world.on_air), encode_event)
    assert loaded is not None
    chat, newer, newer_turn = loaded.live, answer_of(new_id()), NewerTurn()
    chat.epoch, chat.credit_state = 1, CreditState.SPENT
    async with postgres_proxy(request.getfixturevalue(where)) as proxy, joined_node(world.postgres) as node:
        saving = await Postgres.open(proxy.url)
        turn, asking = turn_of(chat, deps_of(world, node, saving))
        proxy.hook = held = Held(SAVE)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(turn.run(asking))
            async with asyncio.timeout(10):
                await held.reached.wait()
            chat.epoch = 3
            chat.begin_answer(newer, newer_turn)
            held.go_on.set()
            await running
        assert (chat.answer, chat.runner, chat.epoch) == (newer, newer_turn, 3)
        await saving.close()


def deps_of(world: World, node: Node, saving: Postgres) -> TurnDeps:
    """What a turn works with; its answers are saved through a connection of their own."""
    settling = Settling(saving, Credits(world.postgres, world.redis), lambda _balance, _why: None)
    live_chats = LiveChats(world.postgres, encode_event)
    return TurnDeps(
        world.postgres, GroupCommit(world.postgres, node.id), settling, Checkpoints(world.redis), live_chats, node
    )
