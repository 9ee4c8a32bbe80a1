"""The chat side of one gateway process, built and running: what the websocket works with, and how it ends.

Drain (`docs/protocol.md`, *Promises*): new sockets are sent away, clients are told, idle sockets are closed spread over
time, running answers get the budget, what is left is saved as interrupted.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn, Self
from uuid import UUID

import structlog

from server.channels.catalog import Catalog
from server.channels.knowledge import Knowledge
from server.chats.checkpoints import Checkpoints
from server.chats.closing import Closing
from server.chats.commits import GroupCommit
from server.chats.erasing import Erasing
from server.chats.housekeeping import Housekeeping
from server.chats.live_chats import LiveChats
from server.chats.nodes import LeaseTimes, Node
from server.chats.opening import Opening
from server.chats.sending import Sending
from server.chats.settling import Settling
from server.chats.takeover import Takeover
from server.chats.turns import Turn, TurnDeps
from server.chats.watching import Watching
from server.domain.errors import Refusal
from server.domain.meter import CONTEXT_MAX_TOKENS
from server.ledger.credits import Credits
from server.ledger.reconcile import reconcile
from server.llm.answers import Answers
from server.llm.tokens import count_off_loop
from server.storage.idempotency import IdempotencyKeys
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres
from server.storage.redis import Redis
from server.storage.settings import LiveSettings
from server.ws.close_codes import CloseCode
from server.ws.encoding import encode_event
from server.ws.sockets import Sockets

SAVE_SHARE: Final = 0.08
SAVE_LEAST_SECONDS: Final = 0.8
"""What saving what did not end by itself gets after a drain: a share of the answers' time, and not less."""
DRAIN_LOOK_SECONDS: Final = 0.05
IDLE_CLOSED_AT_ONCE: Final = 50
RESTART_SECONDS: Final = 1.0
LEAVE_SECONDS: Final = 0.4
"""For giving the lease back."""

log = structlog.get_logger(__name__)


class _Stopped(Exception):
    """Ends the group of tasks, whatever still runs in it: it was drained before, or a reaper ends it."""


def _stop() -> NoReturn:
    raise _Stopped


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """What a gateway is built on.

    Attributes:
        answer_tokens_max: what the model can give in one answer; the setting may be lower.
        has_many_models: whether the provider knows the models that channels name.
        is_sole: whether no other node can be alive.
    """

    postgres: Postgres
    redis: Redis
    settings: LiveSettings
    answers: Answers
    answer_tokens_max: int
    has_many_models: bool
    times: LeaseTimes
    is_sole: bool


class Gateway:
    """The rooms of floors 2 and 3, wired.

    Attributes:
        is_draining: whether the process is on its way out.
    """

    def __init__(self, parts: GatewayParts, tasks: asyncio.TaskGroup) -> None:
        self.is_draining = False
        self._parts = parts
        self._tasks = tasks
        postgres = parts.postgres
        self.catalog = Catalog(postgres)
        self.knowledge = Knowledge(postgres, count_off_loop, CONTEXT_MAX_TOKENS)
        self.credits = Credits(postgres, parts.redis)
        self.live_chats = LiveChats(postgres, encode_event)
        self.watching = Watching(postgres)
        self.sockets = Sockets()
        self.node = Node(postgres, parts.times, self.live_chats.owned, self._drop_lost)
        self.checkpoints = Checkpoints(parts.redis)
        self.commits = GroupCommit(postgres, self.node.id)
        settling = Settling(postgres, self.credits, self.watching.balance_changed)
        self.takeover = Takeover(postgres, self.node, self.live_chats, self.checkpoints, settling)
        self.opening = Opening(
            postgres=postgres,
            live_chats=self.live_chats,
            catalog=self.catalog,
            knowledge=self.knowledge,
            settings=parts.settings,
            node_id=self.node.id,
        )
        self.sending = Sending(
            deps=TurnDeps(postgres, self.commits, settling, self.checkpoints, self.live_chats, self.node),
            tasks=tasks,
            takeover=self.takeover,
            credits=self.credits,
            knowledge=self.knowledge,
            answers=parts.answers,
            answer_tokens_max=parts.answer_tokens_max,
            has_many_models=parts.has_many_models,
            settings=parts.settings,
            balance_changed=self.watching.balance_changed,
        )
        self.closing = Closing(postgres, self.takeover)
        self.erasing = Erasing(postgres, self.credits, self.checkpoints, self.live_chats, self.watching.balance_changed)

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, parts: GatewayParts) -> AsyncIterator[Self]:
        """Join the other nodes, run the background tasks, and leave at the end."""
        try:
            async with asyncio.TaskGroup() as tasks:
                gateway = cls(parts, tasks)
                await gateway.node.join(is_sole=parts.is_sole)
                for run in gateway._background():
                    gateway.start(run)
                yield gateway
                _stop()
        except* _Stopped:
            log.debug("gateway_stopped")

    def _background(self) -> list[Callable[[], Awaitable[None]]]:
        return [
            self.node.run,
            self.commits.run,
            self.checkpoints.run,
            self.live_chats.run,
            self.takeover.run,
            self.watching.run,
            self.erasing.run,
            Housekeeping(self._parts.postgres).run,
            IdempotencyKeys(self._parts.postgres).run,
            self._parts.settings.follow,
            partial(reconcile, self.credits),
        ]

    def start(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run another background task until the gateway stops."""
        self._tasks.create_task(_run_again(run))

    async def drain(self, answers_seconds: float) -> None:
        """Let running answers end in that time, then save what is left and leave; repeated calls do nothing more."""
        if self.is_draining:
            return
        self.is_draining = self.sending.is_stopping = True
        log.info("draining", sockets=len(self.sockets), answers=len(self._running()))
        self.sockets.announce_drain(round(answers_seconds * 1000))
        await self._close_idle_until(asyncio.get_running_loop().time() + answers_seconds)
        await self.checkpoints.write_all()
        for turn in self._running():
            turn.interrupt()
        try:
            async with asyncio.timeout(max(SAVE_LEAST_SECONDS, answers_seconds * SAVE_SHARE)):
                await asyncio.gather(*(chat.ended.wait() for chat in self.live_chats))
        except TimeoutError:
            log.warning("drain_incomplete", answers=len(self._running()))  # a reaper saves them
        self.sockets.close_all(CloseCode.DRAINING)
        await self._leave()

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                with outages_refused():
                    await self.node.leave()
        except (TimeoutError, Refusal) as error:
            log.warning("lease_not_given_back", error=repr(error))  # it ends by itself

    async def _close_idle_until(self, deadline_seconds: float) -> None:
        """Close sockets without a running answer a few at a time, so that not all clients come back at once."""
        loop = asyncio.get_running_loop()
        while loop.time() < deadline_seconds:
            closed = self.sockets.close_idle(IDLE_CLOSED_AT_ONCE)
            if not closed and not any(chat.is_busy for chat in self.live_chats):  # one that is sent is answered next
                return
            await asyncio.sleep(DRAIN_LOOK_SECONDS)

    def _running(self) -> list[Turn]:
        return [chat.runner for chat in self.live_chats if isinstance(chat.runner, Turn)]

    async def _drop_lost(self, lost_epochs: Mapping[UUID, int]) -> None:
        await self.live_chats.drop(lost_epochs)


async def _run_again(run: Callable[[], Awaitable[None]]) -> None:
    """Run a background task for ever: an error of ours in one of them must not end the others."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("background_task_failed", task=getattr(run, "__qualname__", repr(run)))
        await asyncio.sleep(RESTART_SECONDS)
