"""A running answer: from the model's first piece to the row that stores it.

A turn runs in a task of the app, never of a socket: closing a tab stops nothing. It is the only one who writes to its
chat until it ends.
"""

import asyncio
import hashlib
import time
from dataclasses import dataclass
from typing import Final

import structlog

from server.chats.checkpoints import Checkpoints
from server.chats.commits import GroupCommit
from server.chats.live_chat import LiveChat
from server.chats.live_chats import LiveChats
from server.chats.nodes import Node
from server.chats.saving import EndedAnswer, Saved
from server.chats.settling import Settling
from server.chats.transcript import LiveMessage
from server.domain.chats import ChatState, CreditState, Ending, EndReason, end_answer
from server.domain.errors import Refusal
from server.domain.events import (
    AnswerDone,
    AnswerStarted,
    ChatClosed,
    ClosedReason,
    Delta,
    LimitReached,
    NearLimit,
    Usage,
)
from server.domain.meter import Meter
from server.llm.answers import Answer, Piece
from server.llm.tokens import count_off_loop
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

USAGE_SECONDS: Final = 1.0
"""How often followers are told the figures while an answer runs."""
SPEND_RETRY_SECONDS: Final = 0.25

log = structlog.get_logger(__name__)


class _EpochLost(Exception):
    """Another node has the chat: nothing more may leave from here."""


@dataclass(frozen=True, slots=True)
class TurnDeps:
    """What a turn works with."""

    postgres: Postgres
    commits: GroupCommit
    settling: Settling
    checkpoints: Checkpoints
    live_chats: LiveChats
    node: Node


class Turn:
    """One answer of one chat."""

    def __init__(
        self,
        deps: TurnDeps,
        chat: LiveChat,
        message: LiveMessage,
        answer: Answer,
        grace_seconds: float,
    ) -> None:
        """Prepare a turn; `run` runs it.

        Args:
            message: the AI's message, empty.
            answer: the model's answer, asked for already.
            grace_seconds: after how long without a follower the answer is stopped.
        """
        assert chat.epoch is not None
        self._deps = deps
        self._chat = chat
        self._epoch = chat.epoch
        self._message = message
        self._answer = answer
        self._grace_seconds = grace_seconds
        self._grace: asyncio.TimerHandle | None = None
        self._reader: asyncio.Task[None] | None = None
        self._why = EndReason.ERROR
        self._is_stopped = False
        self._is_releasing = False
        self._usage_told_seconds = 0.0

    def stop(self) -> None:
        """End the answer softly and keep what there is; once is as good as twice."""
        self._end_reading(EndReason.USER_STOP)

    def interrupt(self) -> None:
        """The server is going: keep what there is."""
        self._end_reading(EndReason.INTERRUPTED)

    def followers_changed(self, count: int) -> None:
        """So many sockets follow now; an answer that nobody follows for long is stopped."""
        if count and self._grace is not None:
            self._grace.cancel()
            self._grace = None
        elif not count and self._grace is None:
            self._grace = asyncio.get_running_loop().call_later(self._grace_seconds, self.stop)

    def _end_reading(self, why: EndReason) -> None:
        if self._is_stopped or (self._reader is not None and self._reader.done()):
            return
        self._is_stopped, self._why = True, why
        if self._reader is not None and not self._is_releasing:
            self._reader.cancel()

    async def run(self, asking: "asyncio.Task[Piece | None]") -> None:
        """Stream the answer to its end and save it.

        Args:
            asking: waits for the first piece; it was begun while the message was being committed.
        """
        chat = self._chat
        chat.begin_answer(self._message, self)
        assert self._message.parent_id is not None
        chat.publish(AnswerStarted(self._message.id, self._message.parent_id, self._message.model or ""))
        self._tell_near(chat.meter)
        self._deps.checkpoints.begin(chat)
        try:
            try:
                await self._read_until_end(asking)
            finally:
                await self._hang_up()
            await self._finish()
            await self._deps.checkpoints.end(self._message.id)
        except _EpochLost:
            log.warning("answer_dropped", chat=str(chat.facts.id), epoch=self._epoch)
            if chat.runner is self:
                chat.end_answer()
                await self._deps.live_chats.reload(chat.facts.id, self._epoch)
        except Exception:
            log.exception("answer_not_ended", chat=str(chat.facts.id))
            if chat.runner is self:
                chat.end_answer()
                chat.epoch = None  # the reaper ends it from the checkpoint
        finally:
            if self._grace is not None:
                self._grace.cancel()
            self._deps.checkpoints.stop(self._message.id)

    async def _read_until_end(self, asking: "asyncio.Task[Piece | None]") -> None:
        """Read in a task of its own, so that a stop can end the reading and nothing else."""
        if self._is_stopped:
            asking.cancel()
            return
        lost: list[_EpochLost] = []

        async def read() -> None:
            try:
                await self._read(asking)
            except _EpochLost as error:
                lost.append(error)
            except Exception:
                log.exception("answer_broken", chat=str(self._chat.facts.id))
                self._why = EndReason.ERROR

        async with asyncio.TaskGroup() as group:
            self._reader = group.create_task(read())
        if lost:
            raise lost[0]

    async def _hang_up(self) -> None:
        """Close the connection to the model before the answer is saved: that takes as long as Postgres is away, and
        the provider would write on for nobody. What goes wrong here must not cost what was read."""
        try:
            await self._answer.aclose()
        except Exception:
            log.exception("model_not_closed", chat=str(self._chat.facts.id))

    async def _read(self, asking: "asyncio.Task[Piece | None]") -> None:
        piece = await asking
        if piece is not None and self._chat.credit_state is CreditState.CHARGED:
            # A stop waits from here until the token is out: a chat whose credit is spent must have got one for it.
            self._is_releasing = True
            await self._release_first_token()
        while piece is not None:
            if self._deps.node.is_overdue:
                await self._deps.node.ensure_not_overdue()
            self._ensure_epoch()
            self.take(piece)
            self._is_releasing = False
            if self._is_stopped:
                return
            piece = await self._answer.flow(self)
        end = self._answer.end
        assert end is not None
        if end.why != "closed":
            self._why = EndReason(end.why)
        if end.error is not None:
            log.warning("provider_failed", chat=str(self._chat.facts.id), error=repr(end.error))

    @property
    def is_ready(self) -> bool:
        """Whether a piece may leave at once: nobody has stopped the answer, and this node still has the chat."""
        return not (self._is_stopped or self._deps.node.is_overdue or self._chat.epoch != self._epoch)

    def take(self, piece: Piece) -> None:
        """Tell the followers the next piece."""
        chat = self._chat
        self._message.add(piece.text)
        chat.publish(Delta(piece.text, piece.chunks), piece.chunks)
        if piece.crossed:
            chat.running_tokens = max(chat.running_tokens, *piece.crossed)
            self._tell_near(chat.meter.add(chat.running_tokens))
        now_seconds = time.monotonic()
        if now_seconds - self._usage_told_seconds >= USAGE_SECONDS:
            self._usage_told_seconds = now_seconds
            chat.running_tokens = self._answer.tokens_now()
            chat.publish_usage()

    def _tell_near(self, meter: Meter) -> None:
        """Tell each share of the cap that is reached, once."""
        for percent in meter.near_crossed(Meter(0, meter.cap_tokens)):
            if percent not in self._chat.near_told:
                self._chat.near_told.add(percent)
                self._chat.publish(NearLimit(percent, self._chat.usage))

    async def _release_first_token(self) -> None:
        """No token leaves before this chat's credit is marked spent (S5). Repeated until the outcome is known."""
        chat = self._chat
        while chat.credit_state is CreditState.CHARGED:
            try:
                is_spent = await self._deps.commits.spend(chat.facts.id, self._epoch)
                if is_spent or await self._was_spent():
                    chat.credit_state = CreditState.SPENT
                else:
                    raise _EpochLost
            except Refusal as refusal:
                log.warning("first_token_waits", chat=str(chat.facts.id), error=repr(refusal))
                await asyncio.sleep(SPEND_RETRY_SECONDS)

    async def _was_spent(self) -> bool:
        """Whether an earlier try, whose reply was lost, has marked the first token under this epoch."""
        with outages_refused():
            return bool(
                await self._deps.postgres.pool.fetchval(
                    "SELECT true FROM chat WHERE id = $1 AND epoch = $2 AND credit_state = 'SPENT'",
                    self._chat.facts.id,
                    self._epoch,
                )
            )

    def _ensure_epoch(self) -> None:
        """The chat in memory may be another one since the last wait: lost, or taken again and with a newer answer."""
        if self._chat.epoch != self._epoch:
            raise _EpochLost

    async def _finish(self) -> None:
        self._ensure_epoch()
        chat, text = self._chat, self._message.text
        tokens = await count_off_loop(text)
        used = chat.tokens_used + tokens
        is_full = Meter(used, chat.facts.token_cap).is_full
        ending = end_answer(self._why, chat.credit_state, has_text=bool(text), is_full=is_full)
        saved = await self._deps.settling.save(self._ended(text, tokens, used, ending))
        if saved is Saved.CREDIT_WAS_SPENT:
            chat.credit_state = CreditState.SPENT
            ending = end_answer(self._why, chat.credit_state, has_text=bool(text), is_full=is_full)
            saved = await self._deps.settling.save(self._ended(text, tokens, used, ending))
        if saved is not Saved.DONE:
            raise _EpochLost
        self._ensure_epoch()
        self._message.status, self._message.tokens = ending.message_status, tokens
        chat.running_tokens, chat.tokens_used = 0, used
        chat.state, chat.credit_state = ending.chat_state, ending.credit_state
        self._publish_end(text, used, ending)
        chat.end_answer()

    def _ended(self, text: str, tokens: int, used: int, ending: Ending) -> EndedAnswer:
        usage = self._answer.end.usage if self._answer.end is not None else None
        return EndedAnswer(
            self._chat.facts.id,
            self._chat.facts.channel_id,
            self._epoch,
            self._message.id,
            text,
            tokens,
            used,
            ending,
            usage.prompt_tokens if usage else None,
            usage.completion_tokens if usage else None,
        )

    def _publish_end(self, text: str, used: int, ending: Ending) -> None:
        chat = self._chat
        usage = Usage(used, chat.facts.token_cap)
        self._tell_near(chat.meter)
        if ending.chat_state is ChatState.FULL:
            chat.publish(LimitReached(usage))
        sha = hashlib.sha256(text.encode()).hexdigest()
        chat.publish(AnswerDone(self._message.id, ending.why, usage, len(text), sha))
        if ending.refunds:
            chat.publish(ChatClosed(ClosedReason.REFUNDED))
