"""Taking chats whose owner is dead, or was only slow."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from server.chats.checkpoints import Checkpoints
from server.chats.live_chat import LiveChat
from server.chats.live_chats import LiveChats
from server.chats.settling import Settling
from server.chats.takeover import UNREADABLE_ROUNDS_MAX, Takeover
from server.domain.givers import Giver
from server.embedded.valkey import EmbeddedValkey
from server.ledger.credits import Credits
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from server.storage.redis import checkpoint_key
from server.ws.encoding import encode_event
from tests.ledger.books import Books
from tests.ledger.fans import held
from tests.support.nodes import joined_node
from tests.support.postgres_proxy import PostgresProxy, Side, Step, Verdict, pass_on, postgres_proxy
from tests.support.rows import Rows
from tests.support.waiting import eventually
from tests.support.world import World, made_world

TEXT = "The keeper of the lighthouse said"
TAKE = "FOR SHARE)"


@dataclass(frozen=True, slots=True)
class Scene:
    """A node that may take, the way on which it asks Postgres, and a chat of a dead node.

    Attributes:
        answer_id: the answer that was running.
    """

    world: World
    proxy: PostgresProxy
    takeover: Takeover
    live_chats: LiveChats
    chat_id: UUID
    answer_id: UUID

    @property
    def key(self) -> str:
        """Where the answer's checkpoint is."""
        return checkpoint_key(self.chat_id, 1, self.answer_id)

    async def live_chat(self) -> LiveChat:
        """The chat in memory."""
        chat = await self.live_chats.get(self.chat_id)
        assert chat is not None
        return chat

    async def stored(self) -> asyncpg.Record:
        """The chat and its newest answer."""
        row = await self.world.postgres.pool.fetchrow(
            "SELECT epoch, chat.state, tokens_used, message.id, status, content, tokens"
            " FROM chat JOIN message ON chat_id = chat.id AND type = 'AI' WHERE chat.id = $1 ORDER BY seq DESC",
            self.chat_id,
        )
        assert row is not None
        return row


async def add_answer(world: World, chat_id: UUID) -> UUID:
    """A question and its running answer, of a node that nobody knows."""
    pool, asked, answered = world.postgres.pool, new_id(), new_id()
    last_seq = await pool.fetchval("SELECT coalesce(max(seq), 0) FROM message WHERE chat_id = $1", chat_id)
    await pool.execute(
        "INSERT INTO message (id, chat_id, seq, type, content, status, author, parent_id)"
        " VALUES ($2, $1, $4 + 1, 'USER', 'Who?', 'DONE', 1, NULL), ($3, $1, $4 + 2, 'AI', '', 'STREAMING', NULL, $2)",
        chat_id,
        asked,
        answered,
        last_seq,
    )
    await pool.execute(
        "UPDATE chat SET state = 'ANSWERING', owner_node = $2, last_message_at = clock_timestamp() WHERE id = $1",
        chat_id,
        new_id(),
    )
    return answered


@contextlib.asynccontextmanager
async def made_scene(postgres_url: str, redis_url: str) -> AsyncIterator[Scene]:
    """A chat whose credit is spent, its running answer, and its checkpoint."""
    async with (
        made_world(postgres_url, redis_url) as world,
        postgres_proxy(postgres_url) as proxy,
        joined_node(world.postgres) as node,
    ):
        postgres = await Postgres.open(proxy.url)
        rows, books = Rows(world.postgres), Books(world.postgres)
        chat_id = await rows.chat(await rows.session(), world.on_air)
        await books.start(world.on_air, [chat_id])
        await books.spend(chat_id)
        live_chats, checkpoints = LiveChats(postgres, encode_event), Checkpoints(world.redis)
        settling = Settling(postgres, Credits(postgres, world.redis), lambda _balance, _why: None)
        takeover = Takeover(postgres, node, live_chats, checkpoints, settling)
        scene = Scene(world, proxy, takeover, live_chats, chat_id, await add_answer(world, chat_id))
        await world.redis.run(lambda client: client.xadd(scene.key, {"o": 0, "x": TEXT}))
        yield scene
        await postgres.close()


@pytest.fixture
async def scene(postgres_url: str, redis_url: str) -> AsyncIterator[Scene]:
    """On the servers that all tests share."""
    async with made_scene(postgres_url, redis_url) as made:
        yield made


@pytest.fixture
async def lone_scene(
    postgres_url: str, disposable_valkey: EmbeddedValkey
) -> AsyncIterator[tuple[Scene, EmbeddedValkey]]:
    """On a Redis of its own, which can be frozen."""
    async with made_scene(postgres_url, disposable_valkey.url) as made:
        yield made, disposable_valkey


@contextlib.contextmanager
def frozen(valkey: EmbeddedValkey) -> Iterator[None]:
    """It does not answer meanwhile."""
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(valkey.pid, signal.SIGCONT)


async def test_a_dead_nodes_answer_is_kept_as_its_checkpoint_has_it(scene: Scene) -> None:
    assert await scene.takeover.reap() == 1
    row = await scene.stored()
    assert (row["epoch"], row["state"], row["status"], row["content"]) == (2, "OPEN", "INTERRUPTED", TEXT)
    assert not await scene.world.redis.run(lambda client: client.exists(scene.key))


async def test_a_first_answer_that_a_dead_node_left_earns_the_badge_for_chats(scene: Scene) -> None:
    session_id = await scene.world.postgres.pool.fetchval("SELECT session_id FROM chat WHERE id = $1", scene.chat_id)
    assert await held(scene.world.postgres, Giver(session_id=session_id)) == set()
    assert await scene.takeover.reap() == 1
    assert await held(scene.world.postgres, Giver(session_id=session_id)) == {("ring", None)}


async def test_an_answer_waits_for_a_redis_that_comes_back(lone_scene: tuple[Scene, EmbeddedValkey]) -> None:
    scene, valkey = lone_scene
    with frozen(valkey):
        for _ in range(UNREADABLE_ROUNDS_MAX):
            assert await scene.takeover.reap() == 0
        assert not await scene.takeover.take(await scene.live_chat())
        assert (await scene.stored())["epoch"] == 1
    await eventually(lambda: scene.world.redis.available)
    assert await scene.takeover.reap() == 1
    assert (await scene.stored())["content"] == TEXT


async def test_an_answer_does_not_wait_for_redis_for_ever_and_nothing_unread_is_discarded(scene: Scene) -> None:
    await scene.world.redis.run(lambda client: client.set(scene.key, "no stream"))
    reaped = [await scene.takeover.reap() for _ in range(UNREADABLE_ROUNDS_MAX + 1)]
    assert reaped == [0] * UNREADABLE_ROUNDS_MAX + [1]
    row = await scene.stored()
    assert (row["epoch"], row["state"], row["status"], row["content"]) == (2, "OPEN", "INTERRUPTED", "")
    assert await scene.world.redis.run(lambda client: client.exists(scene.key))


async def test_a_refund_does_not_wait_for_redis(lone_scene: tuple[Scene, EmbeddedValkey]) -> None:
    scene, valkey = lone_scene
    world, rows, books = scene.world, Rows(scene.world.postgres), Books(scene.world.postgres)
    charged = await rows.chat(await rows.session(), world.on_air)
    await books.start(world.on_air, [charged])
    await add_answer(world, charged)
    with frozen(valkey):
        assert await scene.takeover.reap() == 1
    assert await books.credit_state(charged) == "REFUNDED"


async def test_a_node_that_was_only_slow_keeps_the_answer_that_it_has_begun_meanwhile(scene: Scene) -> None:
    newer: list[UUID] = []

    async def hook(step: Step) -> Verdict:
        """Right before the chat is taken, end its answer and begin another one."""
        if TAKE in step.sql and step.side is Side.REQUEST and not newer:
            pool = scene.world.postgres.pool
            await pool.execute("UPDATE message SET status = 'DONE', content = 'No.' WHERE status = 'STREAMING'")
            newer.append(await add_answer(scene.world, scene.chat_id))
            await pool.execute("UPDATE chat SET tokens_used = tokens_used + 90 WHERE id = $1", scene.chat_id)
        return Verdict.PASS

    used = (await scene.stored())["tokens_used"]
    scene.proxy.hook = hook
    assert await scene.takeover.reap() == 0
    row = await scene.stored()
    assert (row["epoch"], row["state"], row["id"], row["status"]) == (1, "ANSWERING", newer[0], "STREAMING")
    assert await scene.takeover.reap() == 1
    row = await scene.stored()
    assert (row["epoch"], row["state"], row["id"], row["status"]) == (2, "OPEN", newer[0], "INTERRUPTED")
    assert row["tokens_used"] == used + 90


class Standing:
    """Runs an answer that goes on."""

    def stop(self) -> None:
        """It is not asked to."""

    def followers_changed(self, count: int) -> None:
        """It does not mind."""


async def test_a_slower_taker_of_the_same_node_leaves_the_answer_alone_that_the_quicker_one_has_begun(
    scene: Scene,
) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def hook(step: Step) -> Verdict:
        """Hold the first taker, which is the reaper."""
        if TAKE in step.sql and step.side is Side.REQUEST and not reached.is_set():
            reached.set()
            await go_on.wait()
        return Verdict.PASS

    scene.proxy.hook = hook
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        reaping = group.create_task(scene.takeover.reap())
        await reached.wait()
        chat = await scene.live_chat()
        assert await scene.takeover.take(chat)
        answer = chat.transcript.messages[-1]
        chat.begin_answer(answer, Standing())
        go_on.set()
        await reaping
    assert (chat.epoch, chat.answer) == (2, answer)


async def test_a_chat_that_came_into_memory_while_it_was_looked_at_is_left_to_the_next_round(scene: Scene) -> None:
    async def hook(step: Step) -> Verdict:
        """Somebody looks at the chat meanwhile."""
        if "AS answer_id" in step.sql and step.side is Side.REPLY:
            scene.proxy.hook = pass_on
            await scene.live_chat()
        return Verdict.PASS

    scene.proxy.hook = hook
    assert await scene.takeover.reap() == 0
    assert await scene.takeover.reap() == 1
    assert (await scene.live_chat()).epoch == 2
