"""A chat as one socket follows it: its alias, and the snapshots that are made for it."""

from uuid import UUID

from server.chats.live_chat import LiveChat
from server.chats.transcript import LiveMessage
from server.domain.events import EncodedEvent, Usage
from server.ws.encoding import usage_figures, wire_state
from server.ws.outbox import LAGGING_BYTES, Outbox
from server.ws.protocol import (
    Author,
    CreditFigures,
    MessageView,
    Opened,
    SnapFrame,
    UsageFrame,
    encode,
)


class Subscription:
    """One followed chat of one socket.

    Attributes:
        k: the alias; never used again on this socket.
        viewer_ref: the member number of who reads.
        balance: the channel's balance as it was read last, for snapshots; `credit` events bring it up to date.
    """

    def __init__(self, k: int, chat: LiveChat, viewer_ref: int, outbox: Outbox, balance: int) -> None:
        self.k = k
        self.chat = chat
        self.viewer_ref = viewer_ref
        self.balance = balance
        self._outbox = outbox

    def push(self, event: EncodedEvent) -> None:
        """Queue the next event."""
        self._outbox.put_event(self, event)

    def push_usage(self, usage: Usage) -> None:
        """Queue the figures; only the newest ones count."""
        self._outbox.put_latest(("usage", self.k), encode(UsageFrame(self.k, usage_figures(usage))), at_once=True)

    def withdraw(self) -> None:
        """Drop what waits."""
        self._outbox.forget(self)

    def reopen(self) -> None:
        """The epoch has changed: a snapshot goes out before any other event."""
        self._outbox.reopen(self)

    def begin(self, rid: int, mode: str, *, epoch: str | None, seq: int | None) -> None:
        """Answer the command that opened this chat and follow it from there.

        Args:
            mode: `new`, or `snapshot`; a cursor that can be served exactly makes it `replay`, unless so much was
                missed that a slow reader's events would be dropped for it.
            epoch: the cursor's epoch; None: no cursor.
            seq: the cursor; None: no cursor.
        """
        missed = None
        if self.chat.epoch is not None and seq is not None and epoch == str(self.chat.epoch):
            missed = self.chat.log.after(seq)
        if missed is not None and sum(event.size_bytes for event in missed) > LAGGING_BYTES:
            missed = None
        self._outbox.put(self.opened_frame("replay" if missed is not None else mode, rid))
        for event in missed or ():
            self.push(event)
        self.chat.follow(self)

    def end(self) -> None:
        """Follow it no longer."""
        self.chat.unfollow(self)
        self._outbox.forget(self)

    def opened_frame(self, mode: str = "snapshot", rid: int | None = None) -> str:
        """The chat as it is now. A chat that this node does not write carries epoch "0", which never replays."""
        chat = self.chat
        return encode(
            Opened(
                rid=rid,
                k=self.k,
                chat=str(chat.facts.id),
                channel=chat.facts.channel_name,
                epoch=str(chat.epoch or 0),
                seq=chat.log.head,
                mode=mode,
                role="owner",
                state=wire_state(chat.state),
                usage=usage_figures(chat.usage),
                credit=CreditFigures(self.balance, wire_state(chat.credit_state)),
                msgs=[self._view(message) for message in chat.transcript.shown()],
            )
        )

    def snap_frame(self, s: int) -> str | None:
        """The newest answer's text as it is now; None when there is no answer."""
        last = self.chat.transcript.messages[-1] if self.chat.transcript.messages else None
        if last is None or last.author_ref is not None:
            return None
        return encode(SnapFrame(self.k, s, str(last.id), last.text))

    def _view(self, message: LiveMessage) -> MessageView:
        author = None
        if message.author_ref is not None:
            is_me = message.author_ref == self.viewer_ref
            author = Author(message.author_ref, message.author_name or "", is_me)
        return MessageView(
            id=str(message.id),
            type=message.type.value.lower(),
            text=message.text,
            status=wire_status(message),
            tok=message.tokens,
            parent=_optional(message.parent_id),
            who=author,
            model=message.model,
            at=message.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        )


def wire_status(message: LiveMessage) -> str:
    """Statuses are lower case on the socket."""
    return message.status.value.lower()


def _optional(value: UUID | None) -> str | None:
    return None if value is None else str(value)
