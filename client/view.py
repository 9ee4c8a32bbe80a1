"""One chat as its frames tell it (client rule 8). Pure: frames go in, the chat as it stands comes out.

The numbered events of a chat form one order. `apply` takes the next one, drops what was there before, and where one is
missing it says so once: then the chat is adrift, takes nothing more, and follows again from the next `opened`.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from client.frames import Frame

_STATUS_AFTER: Final[Mapping[str, str]] = {
    "stop": "done",
    "length": "done",
    "cap": "cut",
    "user_stop": "stopped",
    "interrupted": "interrupted",
    "error": "failed",
    "filter": "failed",
}


class Verdict(Enum):
    """What became of a frame."""

    APPLIED = "applied"
    DROPPED = "dropped"
    """It was applied before, or the chat is adrift."""
    ADRIFT = "adrift"
    """Something is missing or wrong: `sub` again, with the view's `cursor`. Said once, until the next `opened`."""
    FOREIGN = "foreign"
    """It is not about this chat."""


@dataclass(slots=True)
class Message:
    """A message of the chat.

    Attributes:
        id: of the message.
        type: ``user`` or ``ai``.
        status: ``streaming`` until its end is known; see *Values* in the protocol.
        parent: the message that it follows; None: not told.
        who: {ref, name, me?} of a person; None for the model.
        model: that answers; None for a person.
    """

    id: str
    type: str
    status: str
    parent: str | None = None
    who: Mapping[str, Any] | None = None
    model: str | None = None
    _parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it so far, nothing normalized or trimmed."""
        if len(self._parts) > 1:
            self._parts[:] = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    @text.setter
    def text(self, text: str) -> None:
        self._parts[:] = [text]

    def append(self, part: str) -> None:
        """The next part of a running answer. Parts are joined when somebody reads the text, not for each token."""
        self._parts.append(part)


@dataclass(slots=True, eq=False)
class ChatView:
    """A chat as a client sees it.

    Attributes:
        k: its alias on the present connection; None between connections.
        epoch: of `last`; None before the first `opened`, and when the text cannot be trusted.
        last: the number of the last event that was applied.
        is_adrift: whether nothing is applied before the next `opened`.
        chat: its id; None before the first `opened`. So with `channel`, `role` and `state`.
        credit_state: none, charged, spent or refunded.
        usage: {used, cap, left} in tokens, as told last.
        messages: by id, oldest first; older ones than the server's snapshot are read over REST.
        running: the answer that is being written; None between answers.
    """

    k: int | None = None
    epoch: str | None = None
    last: int = 0
    is_adrift: bool = True
    chat: str | None = None
    channel: str | None = None
    role: str | None = None
    state: str | None = None
    credit_state: str = "none"
    usage: Mapping[str, int] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    running: Message | None = None

    @property
    def cursor(self) -> tuple[str, int] | None:
        """Epoch and number to `sub` with; None: without a cursor. It survives until the next `opened` (rule 3)."""
        return None if self.epoch is None else (self.epoch, self.last)

    def disconnect(self) -> None:
        """The connection is lost, and the alias with it. Text and cursor stay."""
        self.k = None
        self.is_adrift = True

    def apply(self, frame: Frame) -> Verdict:
        """Take the next frame of the connection."""
        if self.k is None or frame.get("k") != self.k:
            return Verdict.FOREIGN
        s = frame.get("s")
        if s is None:
            return self._apply_unnumbered(frame)
        if self.is_adrift or s <= self.last:
            return Verdict.DROPPED
        kind = frame["t"]
        if kind != "snap" and s - frame.get("n", 1) != self.last:
            return self._drift()
        self.last = s
        take = _TAKES.get(kind)  # an event of a kind that is not known yet counts, and changes nothing
        if take is None or take(self, frame):
            return Verdict.APPLIED
        self.epoch = None
        return self._drift()

    def adopt(self, opened: Frame) -> Verdict:
        """Take an `opened`, under the alias that it gives: the answer to `open` or `sub`, or a changed epoch."""
        is_replay = opened["mode"] == "replay"
        self.k = opened["k"]
        if is_replay and opened["epoch"] != self.epoch:
            self.epoch = None
            return self._drift()
        self.epoch = opened["epoch"]
        self.chat, self.channel, self.role = opened["chat"], opened["channel"], opened["role"]
        self.state, self.credit_state, self.usage = opened["state"], opened["credit"]["state"], opened["usage"]
        self.is_adrift = False
        if not is_replay:
            self._begin_anew(opened)
        return Verdict.APPLIED

    def _apply_unnumbered(self, frame: Frame) -> Verdict:
        if frame["t"] == "opened":
            return self.adopt(frame)
        if frame["t"] == "usage":
            self.usage = frame["usage"]
        return Verdict.APPLIED

    def _begin_anew(self, opened: Frame) -> None:
        self.last = opened["seq"]
        self.messages = {told["id"]: _message_of(told) for told in opened["msgs"]}
        self.running = next((one for one in self.messages.values() if one.status == "streaming"), None)

    def _drift(self) -> Verdict:
        self.is_adrift = True
        return Verdict.ADRIFT


# What each kind of event does; False: it does not fit what is known, so the text cannot be trusted any more.


def _take_delta(view: ChatView, frame: Frame) -> bool:
    if view.running is None:
        return False
    view.running.append(frame["x"])
    if view.credit_state == "charged":
        view.credit_state = "spent"
    return True


def _take_user(view: ChatView, frame: Frame) -> bool:
    message = Message(frame["id"], "user", "done", frame.get("parent"), frame["who"])
    message.text = frame["text"]
    view.messages[message.id] = message
    view.state = "answering"
    if view.credit_state == "none":
        view.credit_state = "charged"
    return True


def _take_start(view: ChatView, frame: Frame) -> bool:
    view.running = Message(frame["id"], "ai", "streaming", frame["to"], model=frame["model"])
    view.messages[view.running.id] = view.running
    view.state = "answering"
    return True


def _take_snap(view: ChatView, frame: Frame) -> bool:
    message = view.messages.get(frame["id"])
    if message is not None:
        message.text = frame["text"]
    return message is not None


def _take_done(view: ChatView, frame: Frame) -> bool:
    view.usage = frame["usage"]
    view.running = None
    if view.state == "answering":
        view.state = "open"
    message = view.messages.get(frame["id"])
    if message is None or not _is_whole(message.text, frame):
        return False
    message.status = _STATUS_AFTER.get(frame["why"], "done")
    return True


def _take_near(view: ChatView, frame: Frame) -> bool:
    view.usage = frame["usage"]
    return True


def _take_limit(view: ChatView, frame: Frame) -> bool:
    view.usage = frame["usage"]
    view.state = "full"
    return True


def _take_closed(view: ChatView, frame: Frame) -> bool:
    view.state = "closed"
    if frame["why"] == "refunded":
        view.credit_state = "refunded"
    return True


_TAKES: Final[Mapping[str, Callable[[ChatView, Frame], bool]]] = {
    "d": _take_delta,
    "user": _take_user,
    "start": _take_start,
    "snap": _take_snap,
    "done": _take_done,
    "near": _take_near,
    "limit": _take_limit,
    "closed": _take_closed,
}


def _message_of(told: Frame) -> Message:
    message = Message(told["id"], told["type"], told["status"], told.get("parent"), told.get("who"), told.get("model"))
    message.text = told["text"]
    return message


def _is_whole(text: str, done: Frame) -> bool:
    """Whether this is the text that the server has stored: `len` counts code points, `sha` is over the UTF-8."""
    digest: str = done["sha"]
    return len(text) == done["len"] and hashlib.sha256(text.encode()).hexdigest() == digest
