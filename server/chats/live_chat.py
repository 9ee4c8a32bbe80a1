"""A chat in the memory of this node: its state, its events, and the sockets that follow it.

There is one writer of a chat at a time (`chats/takeover.py`). Everything here is synchronous: between two awaits of a
turn nobody sees half a change.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from server.chats.event_log import EventLog
from server.chats.transcript import LiveMessage, Transcript
from server.domain.chats import ChatEvent, ChatState, CreditState, next_chat_state
from server.domain.events import EncodedEvent, EncodeEvent, SequencedEvent, Usage, UserSaid
from server.domain.identity import Identity
from server.domain.meter import Meter


class Follower(Protocol):
    """A socket's view of one chat. No method may block or raise: a producer never waits for a viewer."""

    def push(self, event: EncodedEvent) -> None:
        """Take the next event."""

    def push_usage(self, usage: Usage) -> None:
        """Take the figures; only the newest ones count."""

    def withdraw(self) -> None:
        """Another node writes the chat: send nothing of what was taken and has not been sent; `reopen` follows."""

    def reopen(self) -> None:
        """The epoch has changed: take a snapshot before any other event."""


class Runner(Protocol):
    """What runs a chat's answer on this node."""

    def stop(self) -> None:
        """End the answer softly and keep what there is; once is as good as twice."""

    def followers_changed(self, count: int) -> None:
        """So many sockets follow now; an answer that nobody follows for long is stopped."""


@dataclass(frozen=True, slots=True)
class ChatFacts:
    """What does not change while a chat is in memory.

    Attributes:
        context_id: the frozen text about the channel; its tokens count once.
        model: the channel's own model; None means the one that is configured.
    """

    id: UUID
    channel_id: UUID
    channel_name: str
    context_id: UUID
    context_tokens: int
    token_cap: int
    model: str | None


@dataclass(slots=True)
class Owner:
    """Whose chat it is. A visitor's chat moves to the user at sign-in."""

    session_id: UUID
    user_id: UUID | None

    def is_(self, identity: Identity) -> bool:
        """Whether this caller may see and continue the chat."""
        return identity.owns(self.user_id, self.session_id)


class LiveChat:
    """One chat.

    Attributes:
        epoch: the epoch under which this node writes; None while it only reads (its snapshots carry "0").
        tokens_used: context, messages and finished answers; the running answer is not in it.
        near_told: shares of the cap that followers were told of.
        answer: the running answer's message; None when nothing runs.
        runner: what makes the running answer; None when nothing runs.
        ended: set while nothing runs.
        taking: held while this node asks to become the writer.
        sending: held by one message from the first look at the chat until its turn has begun.
        sends_waiting: messages that wait for `sending`.
        running_tokens: tokens of the running answer so far, for display.
        read_mark: epoch, state and used tokens as storage had them when the chat was read; None for one made here.
        idle_since_seconds: monotonic time since which nobody follows and nothing runs.
    """

    def __init__(
        self,
        facts: ChatFacts,
        owner: Owner,
        *,
        state: ChatState,
        credit_state: CreditState,
        tokens_used: int,
        epoch: int | None,
        transcript: Transcript,
        encode: EncodeEvent,
    ) -> None:
        self.facts = facts
        self.owner = owner
        self.state = state
        self.credit_state = credit_state
        self.tokens_used = tokens_used
        self.epoch = epoch
        self.transcript = transcript
        self.log = EventLog(encode)
        self.near_told = set(self.meter.near_crossed(Meter(0, facts.token_cap)))
        self.answer: LiveMessage | None = None
        self.runner: Runner | None = None
        self.running_tokens = 0
        self.taking = asyncio.Lock()
        self.sending = asyncio.Lock()
        self.sends_waiting = 0
        self.ended = asyncio.Event()
        self.ended.set()
        self.followers: set[Follower] = set()
        self.read_mark: tuple[int, str, int] | None = None
        self.idle_since_seconds = time.monotonic()

    @property
    def meter(self) -> Meter:
        """What is used without the running answer."""
        return Meter(self.tokens_used, self.facts.token_cap)

    @property
    def usage(self) -> Usage:
        """The meter as followers see it, the running answer included."""
        return Usage(min(self.facts.token_cap, self.tokens_used + self.running_tokens), self.facts.token_cap)

    @property
    def is_written_here(self) -> bool:
        """Whether this node is the writer."""
        return self.epoch is not None

    @property
    def is_busy(self) -> bool:
        """Whether an answer runs on this node or a message is being sent."""
        return self.answer is not None or self.sending.locked()

    @property
    def is_answering(self) -> bool:
        """Whether an answer runs on this node."""
        return self.answer is not None

    def follow(self, follower: Follower) -> None:
        """Hand every event from now on to this follower."""
        self.followers.add(follower)
        self._tell_runner()

    def unfollow(self, follower: Follower) -> None:
        """Hand it nothing more; the answer goes on."""
        self.followers.discard(follower)
        self._tell_runner()
        self.touch()

    def _tell_runner(self) -> None:
        if self.runner is not None:
            self.runner.followers_changed(len(self.followers))

    def publish(self, event: SequencedEvent, chunks: int = 1) -> EncodedEvent:
        """Number the event and hand it to every follower, encoded once."""
        encoded = self.log.append(event, time.monotonic(), chunks)
        for follower in self.followers:
            follower.push(encoded)
        return encoded

    def publish_usage(self) -> None:
        """Tell the figures; they have no number."""
        usage = self.usage
        for follower in self.followers:
            follower.push_usage(usage)

    def take_turn(self, prompt_tokens: int) -> None:
        """A message of this many tokens was stored and its answer begins."""
        self.state = next_chat_state(self.state, ChatEvent.SEND)
        self.tokens_used += prompt_tokens

    def say(self, message: LiveMessage, event: UserSaid) -> None:
        """Add a member's message and publish it."""
        self.transcript.messages.append(message)
        self.log.hold()
        message.s = self.publish(event).s

    def begin_answer(self, message: LiveMessage, runner: Runner) -> None:
        """The AI's message begins, without text yet."""
        self.transcript.messages.append(message)
        self.answer, self.runner = message, runner
        self.ended.clear()
        self._tell_runner()

    def end_answer(self) -> None:
        """Nothing runs any more."""
        self.answer = self.runner = None
        self.ended.set()
        self.running_tokens = 0
        self.log.release(time.monotonic())
        self.touch()

    def lose(self) -> None:
        """Another node writes it now: nothing more of what was said here leaves any socket."""
        self.epoch = None
        for follower in self.followers:
            follower.withdraw()

    def adopt(self, other: "LiveChat") -> None:
        """Become what storage says under a new epoch, keep the followers and show them a snapshot first."""
        self.owner, self.state, self.credit_state = other.owner, other.state, other.credit_state
        self.tokens_used, self.epoch, self.transcript = other.tokens_used, other.epoch, other.transcript
        self.log, self.near_told, self.read_mark = other.log, other.near_told, other.read_mark
        self.answer = self.runner = None
        self.ended.set()
        self.running_tokens = 0
        for follower in self.followers:
            follower.reopen()

    def touch(self) -> None:
        """Begin the time after which a chat that nobody follows is forgotten."""
        self.idle_since_seconds = time.monotonic()
