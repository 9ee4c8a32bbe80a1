"""One chat that survives its connections: it resumes where it was, and repeats what was not acknowledged.

A chat has a connection of its own. `run` keeps it up; `send` and `stop` work whether or not there is a connection just
now. What happens is told to a `Listener`, in order, from the loop.
"""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from client.errors import ABNORMAL, End, Ended, Refused
from client.frames import Frame, encode
from client.link import Link
from client.tickets import Admission
from client.view import ChatView, Verdict
from client.wire import Address

FAILED_RESUMES_MAX: Final = 3
"""After so many a `sub` goes without a cursor (rule 5)."""
RETRY_SECONDS: Final = 2.0
"""Before a request that the chat cannot do without is made again, where the server names no time."""
IDEM_BYTES: Final = 15
TEXT_CHARACTERS_MAX: Final = 16_000
FRAME_BYTES_MAX: Final = 65_536
"""Of a text and of a frame, where the server told no other limits."""
HEAD_BYTES: Final = 64
"""At most, of a frame beside its fields."""


class Listener:
    """Is told what happens in a chat; a client overrides what it needs. Called from the loop: nothing here may wait."""

    def phase_changed(self, chat: "Chat") -> None:
        """The connection came or went: see `chat.link`."""

    def opened(self, chat: "Chat", frame: Frame) -> None:
        """The chat can be followed. Unless its `mode` is replay, all that was known of the text is replaced."""

    def acknowledged(self, chat: "Chat", accepted: "Accepted") -> None:
        """A message of this client is stored; its events follow."""

    def happened(self, chat: "Chat", frame: Frame) -> None:
        """The next event of the chat, each exactly once and in order; `chat.view` has it already."""

    def told(self, chat: "Chat", frame: Frame) -> None:
        """What has no number, such as usage, credit, channel and drain. The latest of a kind counts."""

    def refused(self, chat: "Chat", refusal: Refused) -> None:
        """A `stop` or `watch` was refused; a `send` raises its refusal itself."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that is stored and paid for.

    Attributes:
        message_id: of the message.
        is_repeat: whether an earlier try had been accepted.
    """

    message_id: str
    is_repeat: bool


@dataclass(slots=True, eq=False)
class _Unacknowledged:
    """A message that the server has not confirmed; `is_sent` is about the present connection."""

    fields: Mapping[str, Any]
    outcome: asyncio.Future[Accepted]
    is_sent: bool = False


class Chat:
    """One chat on one channel.

    Attributes:
        view: the chat as it stands.
        link: the connection as it is.
        balance: credits of the channel; None before it is known.
        channel_status: PENDING, ACTIVE or INACTIVE; None before it is known.
    """

    def __init__(
        self,
        address: Address,
        channel: str,
        admit: Admission,
        *,
        chat_id: str | None = None,
        listener: Listener | None = None,
    ) -> None:
        """Nothing is connected before `run`.

        Args:
            address: of the gateway.
            channel: handle or id.
            admit: gives a pass for each connection.
            chat_id: a chat to go on with; None: one is opened with the first message.
            listener: None: nobody is told anything.
        """
        self.view = ChatView(chat=chat_id)
        self.link = Link(address, lambda: admit(channel), self)
        self.balance: int | None = None
        self.channel_status: str | None = None
        self._channel = channel
        self._listener = listener or Listener()
        self._unacknowledged: dict[str, _Unacknowledged] = {}
        self._open_idem = new_idem()
        self._failed_resumes = 0
        self._is_resuming = self._is_opening = False
        self._wants_stop = self._is_stopping = False

    @property
    def is_answering(self) -> bool:
        """Whether a message is on its way, or an answer is awaited or running: another one would be refused."""
        return bool(self._unacknowledged) or self.view.state == "answering"

    async def run(self) -> None:
        """Be connected until `close`.

        Raises:
            Ended: the server does not want this client back.
            Refused: the chat cannot be followed (`not_found`), or the caller is not let in.
        """
        try:
            await self.link.run()
        finally:
            end = self.link.end or End(ABNORMAL, "the chat was closed")
            for waiting in self._unacknowledged.values():
                if not waiting.outcome.done():
                    waiting.outcome.set_exception(Ended(end))

    async def send(self, text: str, *, idem: str | None = None, parent: str | None = None) -> Accepted:
        """Say something; the first message opens the chat and takes a credit.

        It is sent again with the same `idem` on each new connection until it is answered (rule 6). Its events may be
        told before this returns.

        Args:
            text: the message.
            idem: makes it repeatable; None: a new one. Name the old one to repeat what was refused with `may_retry`.
            parent: the message that it follows; None: the newest one.

        Raises:
            Refused: it was not taken; `left`: `begin_anew` came before the answer, whether it was taken is not known.
            Ended: `run` ended before the answer; whether it was taken is not known.
        """
        idem = idem or new_idem()
        outcome: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        fields = {"idem": idem, "text": text, "parent": parent}
        self._unacknowledged[idem] = _Unacknowledged(fields, outcome)
        self._advance()
        try:
            return await outcome
        finally:
            self._unacknowledged.pop(idem, None)

    def stop(self) -> None:
        """End the running answer, and keep it; before it has begun, as soon as it does."""
        self._wants_stop = self.is_answering
        self._stop_if_wanted()

    def begin_anew(self) -> None:
        """Leave this chat; the next message opens another one. What is not acknowledged yet is given up."""
        if self.view.k is not None:
            self._unfollow(self.view.k)
        for waiting in self._unacknowledged.values():
            _refuse(waiting, Refused("left", "The chat was left before the message was acknowledged."))
        self._unacknowledged.clear()
        self.view = ChatView()
        self._open_idem = new_idem()
        self._is_resuming = self._is_opening = self._wants_stop = self._is_stopping = False

    def close(self) -> None:
        """End the connection; `run` returns. The chat, and an answer that runs, go on without this client."""
        self.link.close()

    # LinkUser

    def connected(self) -> None:
        """Go on where the last connection broke."""
        self._watch()
        if self.view.chat is not None:
            self._subscribe()
        else:
            self._advance()

    def received(self, frame: Frame) -> None:
        """Take a frame of the connection."""
        verdict = self.view.apply(frame)
        if verdict is Verdict.APPLIED:
            if "s" in frame:
                self._follow(frame)
            elif frame["t"] == "opened":
                self._opened(frame)
            else:
                self._listener.told(self, frame)
        elif verdict is Verdict.ADRIFT:
            self._subscribe()
        elif verdict is Verdict.FOREIGN and "k" not in frame:
            self._hear(frame)

    def disconnected(self) -> None:
        """The cursor survives, the alias does not."""
        if self._is_resuming:
            self._failed_resumes += 1
        self._is_resuming = self._is_opening = self._is_stopping = False
        self.view.disconnect()
        for waiting in self._unacknowledged.values():
            waiting.is_sent = False

    def phase_changed(self) -> None:
        """Pass it on."""
        self._listener.phase_changed(self)

    # What is asked, and what comes of it.

    def _watch(self) -> None:
        self.link.request("watch", self._watched, channel=self._channel)

    def _watched(self, frame: Frame) -> None:
        if frame["t"] == "ok":
            if self.view.chat is None:
                self.link.settle()  # there is no `opened` to wait for
        elif frame["retry"]:
            self.link.later(frame.get("after", RETRY_SECONDS), self._watch)
        else:
            self._listener.refused(self, Refused.by(frame))

    def _subscribe(self) -> None:
        self._is_resuming = True
        cursor = self.view.cursor if self._failed_resumes < FAILED_RESUMES_MAX else None
        epoch, seq = cursor or (None, None)
        self.link.request("sub", partial(self._subscribed, self.view), chat=self.view.chat, epoch=epoch, seq=seq)

    def _subscribe_again(self, view: ChatView) -> None:
        if view is self.view:
            self._subscribe()

    def _subscribed(self, view: ChatView, frame: Frame) -> None:
        if view is not self.view:
            self._unfollow_late(frame)
        elif frame["t"] == "opened":
            self._adopt(frame)
        elif frame["retry"]:
            self.link.later(frame.get("after", RETRY_SECONDS), partial(self._subscribe_again, view))
        else:
            self.link.fail(Refused.by(frame))

    def _open(self) -> None:
        self._is_opening = True
        request = partial(self._answered_open, self.view)
        self.link.request("open", request, idem=self._open_idem, channel=self._channel)

    def _answered_open(self, view: ChatView, frame: Frame) -> None:
        if view is not self.view:
            self._unfollow_late(frame)
            return
        self._is_opening = False
        if frame["t"] == "opened":
            self._adopt(frame)
            return
        for waiting in self._unacknowledged.values():
            _refuse(waiting, Refused.by(frame))

    def _unfollow(self, k: int) -> None:
        self.link.request("unsub", _pass_over, k=k)

    def _unfollow_late(self, frame: Frame) -> None:
        """The chat was left before it was opened: it would count as one of the chats of this connection."""
        if frame["t"] == "opened":
            self._unfollow(frame["k"])

    def _adopt(self, frame: Frame) -> None:
        if self.view.adopt(frame) is Verdict.APPLIED:
            self._opened(frame)
        else:
            self._subscribe()

    def _opened(self, frame: Frame) -> None:
        self._is_resuming = False
        self._failed_resumes = 0
        self.balance = frame["credit"]["balance"]
        self.link.settle()
        self._listener.opened(self, frame)
        self._stop_if_wanted()
        self._advance()

    def _advance(self) -> None:
        """Bring what waits one step further: open a chat for it, or send it."""
        if not self._unacknowledged:
            return
        if self.view.chat is None:
            if not self._is_opening and self.link.is_up:
                self._open()
        elif not self.view.is_adrift:
            for idem, waiting in self._unacknowledged.items():
                if not waiting.is_sent:
                    self._transmit(idem, waiting)

    def _transmit(self, idem: str, waiting: _Unacknowledged) -> None:
        refusal = _too_large(waiting.fields, self.link.ready.get("limits", {}))
        if refusal is not None:
            _refuse(waiting, refusal)
        else:
            waiting.is_sent = self.link.request(
                "send", partial(self._acknowledge, idem), k=self.view.k, **waiting.fields
            )

    def _acknowledge(self, idem: str, frame: Frame) -> None:
        waiting = self._unacknowledged.pop(idem, None)
        if waiting is None:
            return
        if frame["t"] == "err":
            self._wants_stop = False
            _refuse(waiting, Refused.by(frame))
        elif not waiting.outcome.done():
            accepted = Accepted(frame["msg"], frame.get("dup", False))
            if not accepted.is_repeat:  # what is repeated may have been answered long ago: the events tell
                self.view.state = "answering"
            self._listener.acknowledged(self, accepted)
            waiting.outcome.set_result(accepted)

    def _stop_if_wanted(self) -> None:
        running = self.view.running
        if not self._wants_stop or self._is_stopping or running is None or self.view.is_adrift:
            return
        self._is_stopping = self.link.request("stop", self._stopped, k=self.view.k, msg=running.id)

    def _stopped(self, frame: Frame) -> None:
        self._is_stopping = self._wants_stop = False
        if frame["t"] == "err":
            self._listener.refused(self, Refused.by(frame))

    # What happens by itself.

    def _follow(self, frame: Frame) -> None:
        kind = frame["t"]
        if kind == "start":
            self._stop_if_wanted()
        elif kind == "done":
            self._wants_stop = False
        self._listener.happened(self, frame)

    def _hear(self, frame: Frame) -> None:
        if frame["t"] == "credit":
            self.balance = frame["balance"]
        elif frame["t"] == "channel":
            self.balance, self.channel_status = frame["creditBalance"], frame["status"]
        self._listener.told(self, frame)


def new_idem() -> str:
    """A new name for a command, which makes it repeatable."""
    return secrets.token_urlsafe(IDEM_BYTES)


def _refuse(waiting: _Unacknowledged, refusal: Refused) -> None:
    if not waiting.outcome.done():
        waiting.outcome.set_exception(refusal)


def _too_large(fields: Mapping[str, Any], limits: Mapping[str, int]) -> Refused | None:
    """What the server would say of a longer text; for a larger frame it would close the connection for good."""
    length, limit = len(fields["text"]), limits.get("text", TEXT_CHARACTERS_MAX)
    if length > limit:
        return Refused("too_large", "The text is too long.", details={"limit": limit, "length": length})
    size, limit = len(encode(fields)) + HEAD_BYTES, limits.get("cmd", FRAME_BYTES_MAX)
    if size > limit:
        return Refused("too_large", f"The message would be a frame of {size:,} bytes; {limit:,} can be sent.")
    return None


def _pass_over(_: Frame) -> None:
    """Nobody waits for this answer."""
