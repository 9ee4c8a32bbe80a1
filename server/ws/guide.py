"""How to speak `tallylight.v1`, in Markdown: what frames and fields alone do not say; figures come from the code."""

from typing import Final

from server.auth.cookies import HOST_NAME, LOOPBACK_NAME
from server.auth.tickets import TICKET_SECONDS
from server.chats.event_log import KEPT_BYTES, KEPT_SECONDS
from server.domain.meter import MIN_ANSWER_TOKENS
from server.domain.settings import Settings
from server.ws.connection import HELLO_SECONDS, REFUSALS_MAX, STRIKES_MAX
from server.ws.door import TICKET_PREFIX
from server.ws.endpoint import RETRY_AFTER_SECONDS
from server.ws.outbox import FRAME_BYTES_MAX, LAGGING_BYTES, OVERFLOW_BYTES, OVERFLOW_SECONDS
from server.ws.protocol import SUBPROTOCOL

_DEFAULTS: Final = Settings()

GUIDE: Final = f"""\
Fans of a channel chat with its AI. A client opens one websocket, opens a chat on a channel, sends messages, and gets
the answers token by token. One chat takes one credit of the channel.

The contract changes only by adding. A client ignores every `t` and every field that it does not know. The server
refuses what it does not know.

## Connect

1. `GET` any page of the site and keep the session cookie: `{HOST_NAME}`, or `{LOOPBACK_NAME}` where the site is plain
   http on a loopback host. It stands for a visitor until somebody signs in with it.
2. Open a websocket at `/ws` with that cookie, the subprotocol `{SUBPROTOCOL}`, and the site's own origin as `Origin`.
   Without the subprotocol the answer is HTTP 400; a server that is full or ending answers 503 and Retry-After
   ({RETRY_AFTER_SECONDS} s). A foreign `Origin`, or a cookie without one, is closed 4501.
   A program with an API key needs neither cookie nor `Origin`: it asks `POST /api/ws-tickets` for a ticket, which can
   be used once, within {TICKET_SECONDS} s, for the channel it was asked for, and brings it in `hello`, or as a second
   subprotocol `{TICKET_PREFIX}<ticket>`, which is not echoed. With a ticket no cookie counts, and the `Origin` is that
   of the request for the ticket (none for a key). A ticket that was used or is over is closed 4005, one for another
   `Origin` 4501; another channel is `forbidden`.
3. Send `hello` within {HELLO_SECONDS:g} seconds; the answer is `ready`. When `hello` is answered `err`, say it again.

When somebody signs in with the session, its open sockets get `who` within about a second and go on as that user. A
session that has ended closes them 4004.

A frame is JSON text, UTF-8, without compression. A client sends one object a frame, of at most
{_DEFAULTS.ws_frame_bytes:,} bytes. The server sends one object, or an array of them in order, of at most
{FRAME_BYTES_MAX:,} bytes. Times are in milliseconds, but for `err.after` (seconds) and `at` (RFC 3339).

## Commands and answers

Each command but `ping` carries a number `rid` of the client's choice, and its answer carries the same. Commands are
carried out one after the other. A socket has {_DEFAULTS.ws_commands_burst} commands at once and
{_DEFAULTS.ws_commands_per_second:g} a second in the long run; one more is answered `rate_limited`. Who goes on without
the pause of `after` is closed 4006 after {REFUSALS_MAX} such answers in a row. A socket follows up to
{_DEFAULTS.ws_chats_per_socket} chats and watches up to {_DEFAULTS.ws_channels_per_socket} channels. These are
defaults; `ready.limits` tells the ones that hold.

A frame that is no command is a strike: no JSON, no object, an unknown `t`, a field that is missing, unknown or of the
wrong type, any command before `hello`. The first {STRIKES_MAX} are answered `err` without `rid`, the next one closes
4500. A value that is refused (a length, a blank text, an unknown `k`) is an `err` and no strike.

`idem` makes `open` and `send` repeatable for ever. The same `idem` with the same content gets the first answer again,
marked `dup` after `send`, whatever has become of the chat since; with other content it is a `conflict`. Only `ok` and
`opened` are remembered: what was answered `err` may be tried again.

`ok` to a `send` means: the message is stored and paid for. What goes wrong later is never an `err`, it is the `why` of
`done`.

## Follow a chat

`opened` begins it and gives the alias `k`. From there the events of the chat come in one order, each with a number `s`
within the chat's epoch, without gap and without duplicate: `user`, `start`, `d`, `near`, `limit`, `done`, `snap`,
`closed`. A `d` may cover several numbers (`n`). `usage` has no number; nor do `credit` and `channel`, which may come
before or after the numbered event that they belong to, and of which only the newest counts.

A cursor is the chat's id, its `epoch` and the last `s` that was applied. `sub` with a cursor replays what was missed
where the server still has it (the running answer, and what is younger than {KEPT_SECONDS:g} s or within
{KEPT_BYTES // 1024} KiB), and otherwise sends a snapshot: `opened.msgs` replaces what the client has and `opened.seq`
is its cursor. An `opened` without `rid` for a `k` that you hold says that the epoch has changed; take it as a snapshot.

The text of an answer is the sum of its `d`. `done` tells its length in code points and its SHA-256.

Closing the socket stops nothing: an answer goes on, and is stopped and kept when nobody follows it for
{_DEFAULTS.chat_follower_grace_seconds:g} s. A slow reader holds up nobody: what waits for it is joined; past
{LAGGING_BYTES // 1024} KiB parts are dropped and one `snap` follows; past {OVERFLOW_BYTES // 1024} KiB or
{OVERFLOW_SECONDS:g} s the socket is closed 4002.

## The meter and the credit

A chat holds `usage.cap` tokens. What the model is told about the channel counts once at the start, then every message
and every answer. `near` comes at 80 and at 95 percent, `limit` when fewer than {MIN_ANSWER_TOKENS} tokens are left:
the chat is full and stays readable.

The first message of a chat takes one credit. If the first answer ends without a single token, the credit goes back and
the chat ends: `done`, `credit` why refund, `closed` why refunded. To try again, open a new chat with the same text.

## What a client does

1. Keep the chat's id, `epoch` and last `s`, and the sends that were not acknowledged.
2. When the socket is lost, come back: first after a random time of up to `ready.rj` ms, then after
   min(20 s, 0.5 s + random(0, 0.5 s · 2ⁿ)) for the n-th try, for ever. Close codes 1000, 1003, 1007, 1009 and those
   from 4500 on say: do not.
3. On the new socket send `hello`, then `sub` with the cursor. Keep the cursor until `opened` comes.
4. Begin to count n anew only after `opened`.
5. After three resumes that failed, `sub` without a cursor.
6. Send unacknowledged messages again, each with its old `idem`.
7. After `ready.hb` ms of silence send `ping`; after 10 s more drop the socket and come back.
8. An event with s − n equal to your cursor (n is 1 where there is none): apply it. One with s up to your cursor: drop
   it. Any other: `sub` again.
9. Write text as raw UTF-8, never as \\u escapes.
"""
