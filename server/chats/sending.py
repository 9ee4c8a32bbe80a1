"""A message from its arrival to its turn: is it allowed, does it fit, is it paid for, is it stored.

The order is that of `docs/architecture.md` (*One chat message*). The model is asked beside the commit; nothing of its
answer leaves before the commit. Whatever is refused is first looked up by its `idem`: a repeated command gets its first
answer, whatever has happened to the chat since; only who may send again anyway is told so at once.
"""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from server.channels.knowledge import Knowledge
from server.chats.admission import Admitted, EpochLost, Repeated
from server.chats.branch import parent_of, prompt_after
from server.chats.commits import Started
from server.chats.first_look import refuse_early
from server.chats.history import find_by_idem
from server.chats.line import alone_in, in_doubt
from server.chats.live_chat import LiveChat
from server.chats.replies import Accepted, Once, Reply
from server.chats.reserving import Reservation
from server.chats.settling import BalanceChanged
from server.chats.starts import Start, VisitorClaim
from server.chats.takeover import Takeover
from server.chats.transcript import LiveMessage
from server.chats.turns import Turn, TurnDeps
from server.domain.chats import CreditState, MessageStatus, MessageType, refuse_send
from server.domain.errors import Code, Refusal
from server.domain.events import CreditReason, UserSaid
from server.domain.identity import Identity
from server.domain.texts import title_of
from server.ledger.credits import Credits
from server.llm.answers import Answer, AnswerRequest, Answers, Piece
from server.llm.prompts import Spoken, Window
from server.llm.tokens import count_off_loop
from server.storage.ids import new_id
from server.storage.outages import outages_refused
from server.storage.settings import LiveSettings

PATIENCE_SECONDS: Final = 5.0
"""After this the sender is told `unavailable`. A message that is being committed by then goes on until its outcome is
known; one that is not is given up."""
TRIES_MAX: Final = 2
"""How often a message is tried when the chat turns out to be another node's."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, as the chat knows them.

    Attributes:
        ref: the member number.
        name: the public name.
        address_digest: of the client's address, for the visitor quota.
    """

    identity: Identity
    ref: int
    name: str
    address_digest: str


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message as it came in.

    Attributes:
        parent_id: the message it follows; None means the newest one.
    """

    idem: str
    text: str
    parent_id: UUID | None = None


@dataclass(slots=True)
class _Prepared:
    """All that is known before the commit.

    Attributes:
        reservation: the credit that is kept for it; None for a message that needs none.
    """

    start: Start
    answer: Answer
    asking: "asyncio.Task[Piece | None]"
    reservation: Reservation | None


class Sending:
    """Takes messages and starts their turns, each in a task of the group that the app gives.

    Attributes:
        is_stopping: whether the server goes and new messages are refused; the client sends them to another one.
    """

    def __init__(
        self,
        *,
        deps: TurnDeps,
        tasks: asyncio.TaskGroup,
        takeover: Takeover,
        credits: Credits,
        knowledge: Knowledge,
        answers: Answers,
        answer_tokens_max: int,
        has_many_models: bool,
        settings: LiveSettings,
        balance_changed: BalanceChanged,
    ) -> None:
        self._deps = deps
        self._tasks = tasks
        self._takeover = takeover
        self._credits = credits
        self._knowledge = knowledge
        self._answers = answers
        self._answer_tokens_max = answer_tokens_max
        self._has_many_models = has_many_models
        self._settings = settings
        self._balance_changed = balance_changed
        self.is_stopping = False

    def send(self, chat: LiveChat, sender: Sender, message: NewMessage, reply: Reply) -> None:
        """Begin to send a message; its outcome goes to `reply`. Closing the socket stops nothing."""
        self._tasks.create_task(self._send(chat, sender, message, reply))

    async def _send(self, chat: LiveChat, sender: Sender, message: NewMessage, reply: Reply) -> None:
        loop = asyncio.get_running_loop()
        answered = Once(reply, until_seconds=loop.time() + PATIENCE_SECONDS)
        patience = loop.call_at(answered.until_seconds, answered, in_doubt())
        try:
            await self._run(chat, sender, message, answered)
        except Refusal as refusal:
            answered(refusal)
        except Exception:
            log.exception("send_failed", chat=str(chat.facts.id))
            answered(Refusal(Code.INTERNAL, "Something broke on our side."))
        finally:
            patience.cancel()

    async def _run(self, chat: LiveChat, sender: Sender, message: NewMessage, reply: Once) -> None:
        for _ in range(TRIES_MAX):
            try:
                async with alone_in(chat, reply.until_seconds):
                    settled = await self._try(chat, sender, message, reply)
            except Refusal as refusal:
                settled = await self._answer_refused(chat, message, refusal)
            if isinstance(settled, EpochLost):
                continue
            if isinstance(settled, Accepted | Refusal):
                return reply(settled)
            turn, asking = settled
            return await turn.run(asking)
        raise Refusal(Code.UNAVAILABLE, "This chat is moving between servers. Try again.", after_seconds=1.0)

    async def _try(
        self, chat: LiveChat, sender: Sender, message: NewMessage, reply: Once
    ) -> "tuple[Turn, asyncio.Task[Piece | None]] | Accepted | Refusal | EpochLost":
        """Send once.

        Returns:
            The turn to run, when the reply was given; else what to reply, or that the chat turned out to be another
            node's.
        """
        repeated = chat.transcript.by_idem(message.idem)
        if repeated is not None:
            return _repeat(message, repeated)
        prepared = await self._prepare(chat, sender, message, reply)
        if isinstance(prepared, EpochLost):
            return prepared
        return await self._commit(chat, sender, prepared, reply)

    async def _commit(
        self, chat: LiveChat, sender: Sender, prepared: _Prepared, reply: Once
    ) -> "tuple[Turn, asyncio.Task[Piece | None]] | Accepted | Refusal | EpochLost":
        """Store the message and make its turn; returns as `_try`."""
        start, turn = prepared.start, None
        try:
            outcome = await self._deps.commits.start(start, may_charge=chat.credit_state is CreditState.NONE)
            await self._deps.node.ensure_not_overdue()
            decision = outcome.decision
            if isinstance(decision, EpochLost):
                await self._deps.live_chats.reload(chat.facts.id, start.epoch)
                return decision
            if isinstance(decision, Refusal):
                return decision
            if isinstance(decision, Repeated) and not decision.is_this_start:
                return Accepted(decision.message.id, None, is_repeat=True)
            if chat.epoch != start.epoch:  # taken since the commit: its new owner ends the answer
                return Accepted(start.message_id, None, is_repeat=False)
            turn = self._begin(chat, sender, prepared, outcome, reply)
            return turn, prepared.asking
        finally:
            if turn is None:
                await self._abandon(prepared)

    async def _abandon(self, prepared: _Prepared) -> None:
        """The message is not taken: nobody wants the model's answer, and the credit is free for others."""
        prepared.asking.cancel()
        await prepared.answer.aclose()
        if prepared.reservation is not None:
            await prepared.reservation.release()

    async def _answer_refused(self, chat: LiveChat, message: NewMessage, refusal: Refusal) -> Accepted | Refusal:
        """Return the first answer to a repeated command, or why it is refused."""
        if refusal.code in {Code.UNAVAILABLE, Code.OVERLOADED}:  # no time to ask; the sender asks again
            return refusal
        with outages_refused():
            stored = await find_by_idem(self._deps.postgres, chat.facts.id, message.idem)
        return refusal if stored is None else _repeat(message, stored)

    async def _prepare(self, chat: LiveChat, sender: Sender, message: NewMessage, reply: Once) -> _Prepared | EpochLost:
        """Ask everything that can be asked before the commit, the model last."""
        if self.is_stopping:
            raise Refusal(Code.UNAVAILABLE, "This server is stopping. Connect again.", after_seconds=1.0)
        if chat.epoch is None and not await self._takeover.take(chat):
            raise Refusal(Code.BUSY, "An answer is running in this chat.")
        reservation = None
        if chat.credit_state is CreditState.NONE:
            reservation = Reservation(self._credits, chat, self._tasks)
        prepared: _Prepared | EpochLost = EpochLost()
        try:
            prepared = await self._prepare_reserved(chat, sender, message, reply, reservation)
        finally:
            if reservation is not None and isinstance(prepared, EpochLost):
                await reservation.release()
        return prepared

    async def _prepare_reserved(
        self, chat: LiveChat, sender: Sender, message: NewMessage, reply: Once, reservation: Reservation | None
    ) -> _Prepared | EpochLost:
        epoch = chat.epoch  # whatever is read below holds for this one
        visitor = self._claim(sender)
        await self._refuse_early(chat, message, visitor, starts_chat=reservation is not None)
        parent = await parent_of(self._deps.postgres, chat, message.parent_id)
        newest = Spoken("user", message.text, await count_off_loop(message.text))
        meter = chat.meter.admit_prompt(newest.tokens)
        budget = meter.answer_budget(min(self._settings.current.chat_answer_tokens, self._answer_tokens_max))
        prompt = await prompt_after(
            self._deps.postgres,
            chat,
            parent,
            context=await self._knowledge.read(chat.facts.context_id),
            newest=newest,
            window=Window.of(self._answers.model, budget.tokens),
        )
        if reservation is not None:
            await reservation.confirm()
        if epoch is None or chat.epoch != epoch:
            return EpochLost()
        if reply.is_given:
            raise in_doubt()
        start = self._start(chat, sender, message, epoch=epoch, parent=parent, tokens=newest.tokens, visitor=visitor)
        marks = tuple(sorted(meter.near_marks().values()))
        answer = self._answers.ask(AnswerRequest(prompt, budget.tokens, budget.reason, marks, named=self._named(chat)))
        return _Prepared(start, answer, self._tasks.create_task(_first_piece(answer)), reservation)

    async def _refuse_early(
        self, chat: LiveChat, message: NewMessage, visitor: VisitorClaim | None, *, starts_chat: bool
    ) -> None:
        refusal = refuse_send(chat.state)
        if refusal is None:
            with outages_refused():
                refusal = await refuse_early(
                    self._deps.postgres,
                    chat.facts.id,
                    chat.facts.channel_id,
                    message.idem,
                    visitor,
                    starts_chat=starts_chat,
                )
        if refusal is not None:
            raise refusal

    def _claim(self, sender: Sender) -> VisitorClaim | None:
        """What a visitor may do; None for everybody else."""
        if not sender.identity.is_visitor:
            return None
        limit_chats = self._settings.current.chat_visitor_chats_per_day
        return VisitorClaim(sender.identity.session_id, sender.address_digest, limit_chats)

    def _named(self, chat: LiveChat) -> str | None:
        """The channel's own model; None where it has none, or where the provider serves a single one."""
        return chat.facts.model if self._has_many_models else None

    def _start(
        self,
        chat: LiveChat,
        sender: Sender,
        message: NewMessage,
        *,
        epoch: int,
        parent: LiveMessage | None,
        tokens: int,
        visitor: VisitorClaim | None,
    ) -> Start:
        return Start(
            chat_id=chat.facts.id,
            channel_id=chat.facts.channel_id,
            epoch=epoch,
            idem=message.idem,
            text=message.text,
            prompt_tokens=tokens,
            title=title_of(message.text),
            author_ref=sender.ref,
            parent_id=parent.id if parent else None,
            message_id=new_id(),
            answer_id=new_id(),
            model=self._named(chat) or self._answers.model.name,
            visitor=visitor,
        )

    def _begin(self, chat: LiveChat, sender: Sender, prepared: _Prepared, outcome: Started, reply: Once) -> Turn:
        """The message is stored: acknowledge it, show it, and make its turn."""
        start, decision = prepared.start, outcome.decision
        assert isinstance(decision, Admitted | Repeated)
        seq = decision.seq if isinstance(decision, Admitted) else decision.message.seq
        if chat.credit_state is CreditState.NONE:
            chat.credit_state = CreditState.CHARGED
        chat.take_turn(start.prompt_tokens)
        said = LiveMessage(
            id=start.message_id,
            type=MessageType.USER,
            status=MessageStatus.DONE,
            seq=seq,
            tokens=start.prompt_tokens,
            created_at=outcome.at,
            author_ref=sender.ref,
            author_name=sender.name,
            parent_id=start.parent_id,
            idem=start.idem,
        )
        said.add(start.text)
        reply(Accepted(start.message_id, chat.log.head + 1, is_repeat=False))
        event = UserSaid(start.message_id, start.text, sender.ref, sender.name, start.prompt_tokens, start.parent_id)
        chat.say(said, event)
        if outcome.balance is not None:
            self._balance_changed(outcome.balance, CreditReason.SPEND)
            self._tasks.create_task(self._deps.settling.publish(outcome.balance, start.chat_id))
        answer = LiveMessage(
            id=start.answer_id,
            type=MessageType.AI,
            status=MessageStatus.STREAMING,
            seq=seq + 1,
            tokens=0,
            created_at=outcome.at,
            parent_id=start.message_id,
            model=start.model,
        )
        grace_seconds = self._settings.current.chat_follower_grace_seconds
        return Turn(self._deps, chat, answer, prepared.answer, grace_seconds)


async def _first_piece(answer: Answer) -> Piece | None:
    """Wait for the model's first piece; None when the answer ends without one."""
    try:
        return await anext(answer, None)
    except Exception:
        log.exception("answer_not_begun")
        return None


def _repeat(message: NewMessage, stored: LiveMessage) -> Accepted | Refusal:
    if stored.text != message.text:
        return Refusal(Code.CONFLICT, "This idem was used for another text in this chat.")
    return Accepted(stored.id, stored.s, is_repeat=True)
