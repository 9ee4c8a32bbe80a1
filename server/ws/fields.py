"""What the fields of the frames hold: meaning, unit and bounds, told once for every frame that has such a field.

The bounds are told, not checked: `protocol.decode` refuses wrong types alone, because a value out of bounds is an `err`
and no strike. They go into the JSON schemas of the AsyncAPI document (`asyncapi.py`).
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta

from server.domain.channels import ChannelStatus
from server.domain.chats import ChatState, CreditState, EndReason, MessageStatus, MessageType
from server.domain.errors import Code
from server.domain.events import ClosedReason, CreditReason
from server.domain.identity import IdentityKind
from server.domain.meter import NEAR_PERCENTS
from server.domain.texts import IDEM_CODE_POINTS_MAX, IDEM_CODE_POINTS_MIN, TEXT_CODE_POINTS_MAX


def _told(description: str, **schema: Any) -> Meta:
    return Meta(description=description, extra_json_schema=schema or None)


def _words(values: Iterable[StrEnum]) -> list[str]:
    return [value.value for value in values]


def _lower(values: Iterable[StrEnum]) -> list[str]:
    return [value.value.lower() for value in values]


# What commands and answers have in common.
RequestId = Annotated[int, _told("The client's number of the request; the answer to it carries the same.")]
Alias = Annotated[int, _told("The chat on this socket: a small number given in `opened`, never used again.", minimum=1)]
Epoch = Annotated[
    str,
    _told(
        'The chat\'s epoch, a decimal number as text; numbers `s` are comparable within one. "0": a snapshot that '
        "never replays.",
        pattern="^[0-9]+$",
    ),
]
ChatId = Annotated[str, _told("Id of a chat; opaque.")]
MessageId = Annotated[str, _told("Id of a message; opaque.")]
ParentId = Annotated[str, _told("The message that this one follows; absent: in a command the newest one, else none.")]

# Commands.
ClientName = Annotated[str, _told("Name and version of the program, such as `widget/1.0`; for the server's log.")]
Ticket = Annotated[str, _told("A ticket, where no session cookie says who this is. It can be used once.")]
Abilities = Annotated[list[str], _told("What the client can do beyond the first version; nothing is defined so far.")]
ChannelRef = Annotated[str, _told("Id or name (handle) of a channel.")]
Idem = Annotated[
    str,
    _told(
        "Made by the client, unlike any other of its: makes the command repeatable for ever. Printable characters.",
        minLength=IDEM_CODE_POINTS_MIN,
        maxLength=IDEM_CODE_POINTS_MAX,
    ),
]
Cursor = Annotated[int, _told("The last number `s` that the client has applied; absent: no cursor.", minimum=0)]
Share = Annotated[str, _told("The token of a shared chat.")]
NewText = Annotated[
    str,
    _told(
        "What is said, in Unicode code points; at least one is visible, none is U+0000.",
        minLength=1,
        maxLength=TEXT_CODE_POINTS_MAX,
    ),
]
AnswerId = Annotated[str, _told("Id of the answer, from `start`.")]
Echo = Annotated[int, _told("Any number; `pong` carries the same.")]

# The server and the caller.
ConnectionId = Annotated[str, _told("This connection in the server's log.")]
NodeId = Annotated[str, _told("The server process in its log.")]
NowMs = Annotated[int, _told("The server's clock, in milliseconds since 1970.", minimum=0)]
HeartbeatMs = Annotated[int, _told("After this silence, in milliseconds, the client sends `ping`.", minimum=1)]
RejoinMs = Annotated[
    int, _told("Who lost the socket comes back after a random time of up to this many milliseconds.", minimum=0)
]
WithinMs = Annotated[int, _told("The process ends within so many milliseconds.", minimum=0)]
CallerKind = Annotated[
    str, _told("`session`: a visitor; `user`: signed in; `key`: an API key.", enum=_words(IdentityKind))
]
FrameBytes = Annotated[int, _told("The largest frame that a client may send, in bytes; above it 1009.", minimum=1)]
TextCodePoints = Annotated[int, _told("The longest message, in Unicode code points.", minimum=1)]
ChatsMax = Annotated[int, _told("Chats that this socket may follow at once.", minimum=1)]
MemberRef = Annotated[int, _told("The member's number in the chat, from 1.", minimum=1)]
PublicName = Annotated[str, _told("The public name; absent where there is none.")]
MemberName = Annotated[str, _told('The public name, or "Fan" and the number.')]
IsReader = Annotated[bool, _told("Whether it is the reader; absent: no.")]

# A chat as it stands.
ChannelName = Annotated[str, _told("Name (handle) of the channel.")]
Head = Annotated[
    int,
    _told("The newest number `s` of the epoch. Mode new and snapshot: the client's cursor from now on.", minimum=0),
]
Mode = Annotated[
    str,
    _told(
        "`new`: nothing was said yet; `snapshot`: `msgs` replaces what the client has; `replay`: the client keeps its "
        "text and cursor, the events behind it follow.",
        enum=["new", "snapshot", "replay"],
    ),
]
Role = Annotated[str, _told("What the reader may do here.", enum=["owner", "member", "viewer"])]
StateOfChat = Annotated[
    str,
    _told(
        "What the chat takes next. `open`: a message; `answering`: a `stop`; `full`, `closed`: nothing, it is "
        "read-only.",
        enum=_lower(ChatState),
    ),
]
StateOfCredit = Annotated[
    str,
    _told(
        "What became of this chat's one credit. `none`: not taken yet; `charged`: taken; `spent`: taken, and a first "
        "token of an answer has left; `refunded`: given back.",
        enum=_lower(CreditState),
    ),
]
CountedTokens = Annotated[int, _told("What is used, in tokens: channel knowledge, messages and answers.", minimum=0)]
CapTokens = Annotated[int, _told("What the chat may hold, in tokens.", minimum=1)]
LeftTokens = Annotated[int, _told("`cap` less `used`, in tokens.", minimum=0)]
BalanceCredits = Annotated[int, _told("Credits that the channel has left; one starts one chat.", minimum=0)]
AuthorType = Annotated[str, _told("Who wrote it: a person or the model.", enum=_lower(MessageType))]
MessageText = Annotated[str, _told("The text, Markdown where the model wrote it; nothing normalized or trimmed.")]
Status = Annotated[
    str,
    _told(
        "How an answer stands or ended; what a person wrote is `done`. `stopped`: by a person; `cut`: by the end of "
        "the chat; `interrupted`: by the end of a server; `failed`: by an error.",
        enum=_lower(MessageStatus),
    ),
]
Tokens = Annotated[int, _told("Its length in tokens; 0 while it is streamed.", minimum=0)]
ModelName = Annotated[str, _told("The model that answers; absent on what a person wrote.")]
WrittenAt = Annotated[str, _told("When it was stored, RFC 3339 in UTC.", format="date-time")]
Messages = _told("As of `seq`, oldest first: the newest within 64 KiB and 50, the last one always and whole.")

# Answers to commands.
EventNumber = Annotated[
    int, _told("Of a message: the `s` of its `user` event; absent when that epoch is over.", minimum=1)
]
StoredId = Annotated[str, _told("Of a message: the id it is stored under.")]
IsRepeat = Annotated[bool, _told("Whether an earlier try of the same command did it; absent: no.")]
AskedAlias = Annotated[int, _told("The `k` of the command, as it was sent.")]
ErrorCode = Annotated[str, _told("The reason, for programs.", enum=_words(Code))]
Reason = Annotated[str, _told("The reason, for people: a sentence in English.")]
MayRetry = Annotated[bool, _told("Whether the same command, with the same `idem`, may be sent again.")]
AfterSeconds = Annotated[int, _told("Not before so many seconds; absent: it is not known.", minimum=1)]
Details = Annotated[dict[str, Any], _told("Figures that `msg` speaks of, such as `tokens` and `left`.")]

# Events.
Number = Annotated[
    int, _told("The event's number in the epoch. Apply when it follows your cursor, drop when it does not pass it.")
]
Covered = Annotated[int, _told("How many numbers this covers: s − n + 1 to s; absent: 1.", minimum=1)]
AnsweredId = Annotated[str, _told("Id of the message that is answered.")]
Part = Annotated[str, _told("To append to the running answer.", minLength=1)]
NearPercent = Annotated[int, _told("Percent of the cap that are used now; told once each.", enum=list(NEAR_PERCENTS))]
EndWord = Annotated[
    str,
    _told(
        "`stop`: the model had said all; `length`: the limit of one answer; `cap`: the end of the chat; `user_stop`: "
        "stopped; `filter`: withheld by the provider; `interrupted`: the server went; `error`: it failed.",
        enum=_words(EndReason),
    ),
]
LengthCodePoints = Annotated[int, _told("Length of the whole answer, in Unicode code points.", minimum=0)]
Digest = Annotated[
    str, _told("SHA-256 of the whole answer's UTF-8 bytes, in lower-case hex.", pattern="^[0-9a-f]{64}$")
]
ClosedWord = Annotated[
    str,
    _told(
        "`refunded`: the first answer had no token, the credit went back; `user`: closed by `close`; the others: the "
        "channel went off air, access was taken away, the chat was deleted.",
        enum=_words(ClosedReason),
    ),
]
CreditWord = Annotated[
    str,
    _told(
        "`now`: the first figure for a watcher; `spend`, `refund`: a chat's credit; `purchase`, `adjust`: bought, or "
        "corrected by an admin.",
        enum=_words(CreditReason),
    ),
]
StatusOfChannel = Annotated[
    str,
    _told("`PENDING`: its goal is not reached; `ACTIVE`: on air; `INACTIVE`: off air.", enum=_words(ChannelStatus)),
]
FundingCents = Annotated[int, _told("Given toward the activation, in US cents.", minimum=0)]
GoalCents = Annotated[int, _told("What the activation needs, in US cents.", minimum=0)]
