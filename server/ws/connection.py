"""One socket: it reads commands, hands them over, and writes what waits in its outbox.

The receive loop only parses and hands over. It never awaits work: behind it no pong would be seen, and the socket would
be taken for dead. Commands are carried out one after the other by a task that exists while there are any.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from uuid import UUID

import structlog
from starlette.types import Receive, Send

from server.domain.errors import Code, Refusal
from server.domain.events import ChannelEvent, CreditChanged
from server.domain.identity import Identity
from server.domain.rate_limit import TokenBucket
from server.domain.settings import Settings
from server.ws.close_codes import CloseCode
from server.ws.door import Guest
from server.ws.encoding import encode_channel_event
from server.ws.outbox import OVERFLOW_SECONDS, Outbox
from server.ws.protocol import AnyCommand, Err, Hello, Ping, Pong, Strike, decode, encode
from server.ws.subscription import Subscription
from server.ws.uvicorn_socket import DirectLine

HELLO_SECONDS: Final = 5.0
STRIKES_MAX: Final = 2
"""Frames that are no command and are only answered; the next one closes."""
COMMANDS_WAITING_MAX: Final = 64
REFUSALS_MAX: Final = 100
"""Commands above the rate, each sooner after the one before than it was told to be, that are answered; the next one
closes."""

CarryOut = Callable[["Connection", AnyCommand], Awaitable[None]]

log = structlog.get_logger(__name__)


class Lease(Protocol):
    """What a socket asks of its node's lease (`chats/nodes.py`)."""

    @property
    def is_overdue(self) -> bool:
        """Whether it may have ended unnoticed, with other nodes writing our chats since."""

    async def ensure_not_overdue(self) -> None:
        """Learn which chats were lost; their followers have dropped what waited when this returns."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the handshake says of who this is.

    Attributes:
        guest: came with a ticket; None: `hello` will tell.
        token: what the session cookie holds; None without one.
        origin: None: the client is no page.
    """

    guest: Guest | None
    token: str | None
    origin: str | None


class Connection:
    """One accepted websocket.

    Attributes:
        entry: what the handshake says.
        address: what counts as the client's address, for the number of its sockets.
        address_digest: gives the digest of the client's address for today, for the visitor quota.
        identity: None before hello.
        only_channel_id: what the ticket is for; None: every channel may be used.
        subscriptions: followed chats by their alias.
        watched: watched channels, each with what ends the watching.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        line: DirectLine,
        lease: Lease,
        carry_out: CarryOut,
        settings: Settings,
        conn_id: str,
        entry: Entry,
        address: str,
        address_digest: Callable[[], str],
    ) -> None:
        self.conn_id = conn_id
        self.entry = entry
        self.address = address
        self.address_digest = address_digest
        self.identity: Identity | None = None
        self.only_channel_id: UUID | None = None
        self.outbox = Outbox(self._send_at_once)
        self.subscriptions: dict[int, Subscription] = {}
        self.watched: dict[UUID, Callable[[], None]] = {}
        self.last_k = 0
        self._receive = receive
        self._send = send
        self._line = line
        self._lease = lease
        self._carry_out = carry_out
        self._bucket = TokenBucket.full(settings.ws_commands_per_second, settings.ws_commands_burst, time.monotonic())
        self._frame_bytes_max = settings.ws_frame_bytes
        self._strikes = 0
        self._refusals = 0
        self._is_patient_from_seconds = 0.0
        self._commands: deque[AnyCommand] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._closing: int | None = None
        self._is_greeted = False
        self._hello_timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve the socket until it is closed by either side."""
        self._expect_hello()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                writer = tasks.create_task(self._write())
                await self._read()
                writer.cancel()
                if self._worker is not None:
                    self._worker.cancel()
        finally:
            self._stop_waiting_for_hello()
            for subscription in self.subscriptions.values():
                subscription.end()
            self.subscriptions.clear()
            for unwatch in self.watched.values():
                unwatch()
            self.watched.clear()

    @property
    def is_closing(self) -> bool:
        """Whether it is on its way out."""
        return self._closing is not None

    @property
    def is_in_use(self) -> bool:
        """Whether a message is being sent or an answer runs in a chat that this socket follows."""
        return any(subscription.chat.is_busy for subscription in self.subscriptions.values())

    def close(self, code: CloseCode) -> None:
        """Close behind what waits; the first code counts."""
        if self._closing is None:
            self._closing = code
            self.outbox.filled.set()

    def tell(self, event: ChannelEvent) -> None:
        """Queue a channel's figures; only the newest of each kind count."""
        if isinstance(event, CreditChanged):
            for subscription in self.subscriptions.values():
                if subscription.chat.facts.channel_name == event.channel:
                    subscription.balance = event.balance
        self.outbox.put_latest((type(event).__name__, event.channel), encode_channel_event(event))

    def refuse(self, refusal: Refusal, *, rid: int | None, k: int | None = None) -> None:
        """Queue an `err`."""
        after = refusal.after_seconds
        frame = Err(
            rid=rid,
            k=k,
            code=refusal.code.value,
            msg=refusal.message,
            retry=refusal.temporary,
            after=None if after is None else max(1, -int(-after // 1)),
            details=refusal.details or None,
        )
        self.outbox.put(encode(frame))

    def _expect_hello(self) -> None:
        self._is_greeted = False
        self._hello_timer = asyncio.get_running_loop().call_later(HELLO_SECONDS, self.close, CloseCode.NO_HELLO)

    def _stop_waiting_for_hello(self) -> None:
        if self._hello_timer is not None:
            self._hello_timer.cancel()

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            if self._closing is not None:
                continue
            text = message.get("text")
            if text is None:
                self.close(CloseCode.UNSUPPORTED_DATA)
            elif len(text.encode()) > self._frame_bytes_max:
                self.close(CloseCode.TOO_BIG)
            else:
                self._take(text)

    def _take(self, text: str) -> None:
        wait_seconds = self._bucket.take(time.monotonic())
        try:
            command = decode(text)
        except Strike as strike:
            self._strike(str(strike))
            return
        if not self._is_greeted and not isinstance(command, Hello):
            self._strike("The first command is hello.")
        elif isinstance(command, Hello) and self._is_greeted:
            self.close(CloseCode.SECOND_HELLO)
        elif wait_seconds:
            self._slow_down(command, max(1.0, wait_seconds))
        elif isinstance(command, Ping):
            self.outbox.put(encode(Pong(command.n, now_ms())))
        elif len(self._commands) >= COMMANDS_WAITING_MAX:
            refusal = Refusal(Code.OVERLOADED, "Too many commands wait.", after_seconds=1.0)
            self.refuse(refusal, rid=_rid(command), k=_alias(command))
        else:
            self._hand_over(command)

    def _slow_down(self, command: AnyCommand, wait_seconds: float) -> None:
        now_seconds = time.monotonic()
        self._refusals = 1 if now_seconds > self._is_patient_from_seconds else self._refusals + 1
        self._is_patient_from_seconds = now_seconds + wait_seconds
        if self._refusals > REFUSALS_MAX:
            self.close(CloseCode.RATE_LIMITED)
            return
        refusal = Refusal(Code.RATE_LIMITED, "Too many commands.", after_seconds=wait_seconds)
        self.refuse(refusal, rid=_rid(command), k=_alias(command))

    def _strike(self, reason: str) -> None:
        self._strikes += 1
        if self._strikes > STRIKES_MAX:
            self.close(CloseCode.THIRD_STRIKE)
        else:
            self.refuse(Refusal(Code.BAD_REQUEST, reason), rid=None)

    def _hand_over(self, command: AnyCommand) -> None:
        self._stop_waiting_for_hello()
        self._is_greeted = True
        self._commands.append(command)
        if self._worker is None:
            assert self._tasks is not None
            self._worker = self._tasks.create_task(self._work())

    async def _work(self) -> None:
        while self._commands and self._closing is None:
            command = self._commands.popleft()
            try:
                await self._carry_out(self, command)
            except Refusal as refusal:
                self._fail(command, refusal)
            except Exception:
                log.exception("command_failed", command=type(command).__name__)
                self._fail(command, Refusal(Code.INTERNAL, "Something broke on our side."))
        self._worker = None

    def _fail(self, command: AnyCommand, refusal: Refusal) -> None:
        self.refuse(refusal, rid=_rid(command), k=_alias(command))
        if isinstance(command, Hello):
            self._expect_hello()  # nobody is known yet: hello may be said again

    async def _write(self) -> None:
        try:
            while True:
                await self.outbox.filled.wait()
                await self._flush()
                if self._closing is not None:
                    await self._send({"type": "websocket.close", "code": int(self._closing)})
                    return
        except TimeoutError:
            with contextlib.suppress(OSError):
                await self._send({"type": "websocket.close", "code": int(CloseCode.SLOW_CONSUMER)})
        except OSError:
            log.debug("socket_gone", conn=self.conn_id)

    def _send_at_once(self, frame: str) -> bool:
        return not self._lease.is_overdue and self._line.send_now(frame)

    async def _flush(self) -> None:
        """Send what waits. It stays in the outbox until it can be sent at once: what waited through a freeze of this
        process may be of a chat that is lost, and would be out of the reach of whoever learns that."""
        while not (self.outbox.is_empty or self.outbox.has_overflowed):
            if not self._line.writable.is_set():
                await self._while_blocked(self._line.writable.wait())
            elif self._lease.is_overdue:
                await self._lease.ensure_not_overdue()
            elif (frame := self.outbox.take()) is not None and not self._line.send_now(frame):
                await self._while_blocked(self._send({"type": "websocket.send", "text": frame}))
        if self.outbox.has_overflowed:
            raise TimeoutError
        self.outbox.filled.clear()

    async def _while_blocked(self, waiting: Awaitable[object]) -> None:
        async with asyncio.timeout(OVERFLOW_SECONDS) as limit:
            self.outbox.block(partial(_end_now, limit))
            await waiting
        self.outbox.unblock()


def _end_now(limit: asyncio.Timeout) -> None:
    if not limit.expired():
        limit.reschedule(asyncio.get_running_loop().time())


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _rid(command: AnyCommand) -> int | None:
    return None if isinstance(command, Ping) else command.rid


def _alias(command: AnyCommand) -> int | None:
    return getattr(command, "k", None)
