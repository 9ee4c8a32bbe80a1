"""The frames of `tallylight.v1`, both ways: the one module that knows their spelling.

Commands are decoded strictly (an unknown field is a strike), server frames are encoded from the Structs below. The
events of a chat are encoded once for all sockets: everything but the alias `k` (see `EncodedEvent`).
"""

from typing import Annotated, Final

import msgspec
from msgspec import Struct

from server.ws import fields
from server.ws.who import Who, WhoFrame

SUBPROTOCOL: Final = "tallylight.v1"
REASON_CHARACTERS_MAX: Final = 200
"""What a client is told about a frame that is no command; a reason may quote it."""


class Command(Struct, tag_field="t", forbid_unknown_fields=True, omit_defaults=True):
    """What a client says. `rid` comes back with the answer."""


class Hello(Command, tag="hello"):
    """The first command: who speaks, with a ticket where there is no cookie."""

    rid: fields.RequestId
    client: fields.ClientName
    ticket: fields.Ticket | None = None
    caps: fields.Abilities | None = None


class Watch(Command, tag="watch"):
    """Tell me this channel's figures, `channel` and `credit`, now and at every change, on air or not."""

    rid: fields.RequestId
    channel: fields.ChannelRef


class Unwatch(Command, tag="unwatch"):
    """Tell me no more of this channel."""

    rid: fields.RequestId
    channel: fields.ChannelRef


class Open(Command, tag="open"):
    """Make a chat on this channel, or find the one that this `idem` made; nothing is charged. Watches the channel."""

    rid: fields.RequestId
    idem: fields.Idem
    channel: fields.ChannelRef


class Sub(Command, tag="sub"):
    """Follow a chat: from a cursor (`epoch`, `seq`) where it can be served exactly, else from a snapshot."""

    rid: fields.RequestId
    chat: fields.ChatId
    epoch: fields.Epoch | None = None
    seq: fields.Cursor | None = None
    share: fields.Share | None = None


class Unsub(Command, tag="unsub"):
    """Follow it no longer; its answer goes on."""

    rid: fields.RequestId
    k: fields.Alias


class Send(Command, tag="send"):
    """Say this in the chat; an answer follows. The first message of a chat takes one credit of the channel."""

    rid: fields.RequestId
    k: fields.Alias
    idem: fields.Idem
    text: fields.NewText
    parent: fields.ParentId | None = None


class Stop(Command, tag="stop"):
    """End this answer and keep what there is of it; one that is over is left as it is."""

    rid: fields.RequestId
    k: fields.Alias
    msg: fields.AnswerId


class Close(Command, tag="close"):
    """Make the chat read-only. A running answer is stopped first, and kept."""

    rid: fields.RequestId
    k: fields.Alias


class Ping(Command, tag="ping"):
    """Are you there? The answer is `pong`."""

    n: fields.Echo


AnyCommand = Hello | Watch | Unwatch | Open | Sub | Unsub | Send | Stop | Close | Ping


class Limits(Struct):
    """What a client may do."""

    cmd: fields.FrameBytes
    text: fields.TextCodePoints
    subs: fields.ChatsMax


class Ready(Struct, tag_field="t", tag="ready"):
    """The answer to `hello`: who you are here, and the limits."""

    rid: fields.RequestId
    conn: fields.ConnectionId
    node: fields.NodeId
    who: Who
    hb: fields.HeartbeatMs
    rj: fields.RejoinMs
    limits: Limits
    now: fields.NowMs


class Author(Struct, omit_defaults=True):
    """A member as others see them."""

    ref: fields.MemberRef
    name: fields.MemberName
    me: fields.IsReader = False


class UsageFigures(Struct):
    """The meter of a chat, in tokens."""

    used: fields.CountedTokens
    cap: fields.CapTokens
    left: fields.LeftTokens


class CreditFigures(Struct):
    """The channel's balance, and what became of this chat's credit."""

    balance: fields.BalanceCredits
    state: fields.StateOfCredit


class MessageView(Struct, omit_defaults=True):
    """A message of a snapshot."""

    id: fields.MessageId
    type: fields.AuthorType
    text: fields.MessageText
    status: fields.Status
    tok: fields.Tokens
    parent: fields.ParentId | None = None
    who: Author | None = None
    model: fields.ModelName | None = None
    at: fields.WrittenAt | None = None


class Opened(Struct, tag_field="t", tag="opened", kw_only=True, omit_defaults=True):
    """A chat on this socket, as it stands; without `rid` when the epoch of a chat you follow has changed."""

    rid: fields.RequestId | None = None
    k: fields.Alias
    chat: fields.ChatId
    channel: fields.ChannelName
    epoch: fields.Epoch
    seq: fields.Head
    mode: fields.Mode
    role: fields.Role
    state: fields.StateOfChat
    usage: UsageFigures
    credit: CreditFigures
    msgs: Annotated[list[MessageView], fields.Messages]


class Ok(Struct, tag_field="t", tag="ok", omit_defaults=True):
    """Done. After `send`: the message is stored and paid for."""

    rid: fields.RequestId
    seq: fields.EventNumber | None = None
    msg: fields.StoredId | None = None
    dup: fields.IsRepeat = False


class Err(Struct, tag_field="t", tag="err", kw_only=True, omit_defaults=True):
    """Not done; `unavailable` leaves open whether it was. Without `rid`: to a `ping`, or to what is no command."""

    rid: fields.RequestId | None = None
    k: fields.AskedAlias | None = None
    code: fields.ErrorCode
    msg: fields.Reason
    retry: fields.MayRetry
    after: fields.AfterSeconds | None = None
    details: fields.Details | None = None


class UserFrame(Struct, tag_field="t", tag="user", omit_defaults=True):
    """Somebody wrote a message."""

    k: fields.Alias
    s: fields.Number
    id: fields.MessageId
    text: fields.MessageText
    who: Author
    tok: fields.Tokens
    parent: fields.ParentId | None = None


class StartFrame(Struct, tag_field="t", tag="start"):
    """An answer begins; its parts follow as `d`."""

    k: fields.Alias
    s: fields.Number
    id: fields.MessageId
    to: fields.AnsweredId
    model: fields.ModelName


class DeltaFrame(Struct, tag_field="t", tag="d", omit_defaults=True):
    """The next part of the running answer; covers s−n+1 … s."""

    k: fields.Alias
    s: fields.Number
    x: fields.Part
    n: fields.Covered = 1


class NearFrame(Struct, tag_field="t", tag="near"):
    """The chat nears its cap."""

    k: fields.Alias
    s: fields.Number
    pct: fields.NearPercent
    usage: UsageFigures


class LimitFrame(Struct, tag_field="t", tag="limit"):
    """Too little is left for another answer: the chat becomes full. It comes once, before the `done` of that answer."""

    k: fields.Alias
    s: fields.Number
    usage: UsageFigures


class DoneFrame(Struct, tag_field="t", tag="done"):
    """The answer has ended and is stored. A text of another length or digest than these was put together wrongly."""

    k: fields.Alias
    s: fields.Number
    id: fields.MessageId
    why: fields.EndWord
    usage: UsageFigures
    len: fields.LengthCodePoints
    sha: fields.Digest


class SnapFrame(Struct, tag_field="t", tag="snap"):
    """The whole text of a message, in the place of what you have; your reading was too slow for its parts."""

    k: fields.Alias
    s: fields.Number
    id: fields.MessageId
    text: fields.MessageText


class ClosedFrame(Struct, tag_field="t", tag="closed"):
    """The chat takes nothing more; it stays readable."""

    k: fields.Alias
    s: fields.Number
    why: fields.ClosedWord


class UsageFrame(Struct, tag_field="t", tag="usage"):
    """The meter of the chat, about once a second while an answer runs."""

    k: fields.Alias
    usage: UsageFigures


class CreditFrame(Struct, tag_field="t", tag="credit"):
    """The balance of a channel that you watch; the newest counts."""

    channel: fields.ChannelName
    balance: fields.BalanceCredits
    why: fields.CreditWord


class ChannelFrame(Struct, tag_field="t", tag="channel"):
    """The state and figures of a channel that you watch; the newest counts."""

    channel: fields.ChannelName
    status: fields.StatusOfChannel
    activationFunding: fields.FundingCents  # noqa: N815 - the user's names are the wire's
    activationGoal: fields.GoalCents  # noqa: N815
    creditBalance: fields.BalanceCredits  # noqa: N815


class Drain(Struct, tag_field="t", tag="drain"):
    """The server goes: soon it closes this socket with 4001."""

    within: fields.WithinMs


class Pong(Struct, tag_field="t", tag="pong"):
    """The answer to `ping`."""

    n: fields.Echo
    now: fields.NowMs


AnyFrame = (
    Ready
    | WhoFrame
    | Opened
    | Ok
    | Err
    | UserFrame
    | StartFrame
    | DeltaFrame
    | UsageFrame
    | NearFrame
    | LimitFrame
    | DoneFrame
    | SnapFrame
    | ClosedFrame
    | CreditFrame
    | ChannelFrame
    | Drain
    | Pong
)

_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[AnyCommand]] = msgspec.json.Decoder(AnyCommand)


class Strike(Exception):
    """A frame that is no command."""


def decode(text: str) -> AnyCommand:
    """Read a command.

    Raises:
        Strike: not JSON, not an object, an unknown command or field, a missing or wrongly typed field.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Strike(str(error)[:REASON_CHARACTERS_MAX]) from None


def encode(frame: Struct) -> str:
    """Write a server frame."""
    return _encoder.encode(frame).decode()


def json_of(text: str) -> str:
    """A JSON string, quotes included."""
    return _encoder.encode(text).decode()
