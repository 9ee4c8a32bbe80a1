"""The frames of `tallylight.v1`, both ways: the one module that knows their spelling.

Commands are decoded strictly (an unknown field is a strike), server frames are encoded from the Structs below. The
events of a chat are encoded once for all sockets: everything but the alias `k` (see `EncodedEvent`).
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

SUBPROTOCOL: Final = "tallylight.v1"
REASON_CHARACTERS_MAX: Final = 200
"""What a client is told about a frame that is no command; a reason may quote it."""


class Command(Struct, tag_field="t", forbid_unknown_fields=True):
    """What a client says. `rid` comes back with the answer."""


class Hello(Command, tag="hello"):
    """The first command: who speaks, with a ticket where there is no cookie."""

    rid: int
    client: str
    ticket: str | None = None
    caps: list[str] | None = None


class Watch(Command, tag="watch"):
    """Tell me this channel's figures, now and at every change."""

    rid: int
    channel: str


class Unwatch(Command, tag="unwatch"):
    """No more of them."""

    rid: int
    channel: str


class Open(Command, tag="open"):
    """Make a chat on this channel; nothing is charged."""

    rid: int
    idem: str
    channel: str


class Sub(Command, tag="sub"):
    """Follow a chat, from a cursor where there is one."""

    rid: int
    chat: str
    epoch: str | None = None
    seq: int | None = None
    share: str | None = None


class Unsub(Command, tag="unsub"):
    """Follow it no longer; its answer goes on."""

    rid: int
    k: int


class Send(Command, tag="send"):
    """Say this in the chat."""

    rid: int
    k: int
    idem: str
    text: str
    parent: str | None = None


class Stop(Command, tag="stop"):
    """End this answer and keep what there is."""

    rid: int
    k: int
    msg: str


class Close(Command, tag="close"):
    """Make the chat read-only."""

    rid: int
    k: int


class Ping(Command, tag="ping"):
    """Are you there."""

    n: int


AnyCommand = Hello | Watch | Unwatch | Open | Sub | Unsub | Send | Stop | Close | Ping


class Who(Struct, omit_defaults=True):
    """The caller as the server knows them."""

    kind: str
    ref: int
    name: str | None = None


class Limits(Struct):
    """What a client may do; sizes in bytes (`cmd`) and code points (`text`)."""

    cmd: int
    text: int
    subs: int


class Ready(Struct, tag_field="t", tag="ready"):
    """The answer to hello. `hb` and `rj` are milliseconds, `now` milliseconds since 1970."""

    rid: int
    conn: str
    node: str
    who: Who
    hb: int
    rj: int
    limits: Limits
    now: int


class Author(Struct, omit_defaults=True):
    """A member as others see them."""

    ref: int
    name: str
    me: bool = False


class UsageFigures(Struct):
    """The meter of a chat, in tokens."""

    used: int
    cap: int
    left: int


class CreditFigures(Struct):
    """The channel's balance and what became of this chat's credit."""

    balance: int
    state: str


class MessageView(Struct, omit_defaults=True):
    """A message of a snapshot; `at` is RFC 3339."""

    id: str
    type: str
    text: str
    status: str
    tok: int
    parent: str | None = None
    who: Author | None = None
    model: str | None = None
    at: str | None = None


class Opened(Struct, tag_field="t", tag="opened", kw_only=True, omit_defaults=True):
    """A chat on this socket; without `rid` when its epoch changed."""

    rid: int | None = None
    k: int
    chat: str
    channel: str
    epoch: str
    seq: int
    mode: str
    role: str
    state: str
    usage: UsageFigures
    credit: CreditFigures
    msgs: list[MessageView]


class Ok(Struct, tag_field="t", tag="ok", omit_defaults=True):
    """Done, and for a message: stored."""

    rid: int
    seq: int | None = None
    msg: str | None = None
    dup: bool = False


class Err(Struct, tag_field="t", tag="err", kw_only=True, omit_defaults=True):
    """Not done. `after` is seconds, as in Retry-After; `retry` says that the same command may be sent again."""

    rid: int | None = None
    k: int | None = None
    code: str
    msg: str
    retry: bool
    after: int | None = None
    details: dict[str, Any] | None = None


class UserFrame(Struct, tag_field="t", tag="user", omit_defaults=True):
    """A member's message."""

    k: int
    s: int
    id: str
    text: str
    who: Author
    tok: int
    parent: str | None = None


class StartFrame(Struct, tag_field="t", tag="start"):
    """An answer begins."""

    k: int
    s: int
    id: str
    to: str
    model: str


class DeltaFrame(Struct, tag_field="t", tag="d", omit_defaults=True):
    """The next part of the running answer; covers s−n+1 … s."""

    k: int
    s: int
    x: str
    n: int = 1


class NearFrame(Struct, tag_field="t", tag="near"):
    """The chat nears its cap."""

    k: int
    s: int
    pct: int
    usage: UsageFigures


class LimitFrame(Struct, tag_field="t", tag="limit"):
    """The chat becomes FULL."""

    k: int
    s: int
    usage: UsageFigures


class DoneFrame(Struct, tag_field="t", tag="done"):
    """The answer has ended."""

    k: int
    s: int
    id: str
    why: str
    usage: UsageFigures
    len: int
    sha: str


class SnapFrame(Struct, tag_field="t", tag="snap"):
    """Replaces the text of a message."""

    k: int
    s: int
    id: str
    text: str


class ClosedFrame(Struct, tag_field="t", tag="closed"):
    """The chat takes nothing more."""

    k: int
    s: int
    why: str


class UsageFrame(Struct, tag_field="t", tag="usage"):
    """The meter, about once a second while an answer runs."""

    k: int
    usage: UsageFigures


class CreditFrame(Struct, tag_field="t", tag="credit"):
    """A channel's balance."""

    channel: str
    balance: int
    why: str


class ChannelFrame(Struct, tag_field="t", tag="channel"):
    """A channel's state and figures, money in cents."""

    channel: str
    status: str
    activationFunding: int  # noqa: N815 - the user's names are the wire's
    activationGoal: int  # noqa: N815
    creditBalance: int  # noqa: N815


class Drain(Struct, tag_field="t", tag="drain"):
    """The server goes within so many milliseconds."""

    within: int


class Pong(Struct, tag_field="t", tag="pong"):
    """Here."""

    n: int
    now: int


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
