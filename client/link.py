"""A connection that comes back by itself (client rules 2 and 4). It knows nothing of chats: see `chat`."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Protocol

from client.backoff import REJOIN_MS, Backoff, comes_back
from client.connection import Connection, Reply
from client.errors import ABNORMAL, End, Ended, Refused
from client.frames import Frame
from client.wire import Address, Pass


class Phase(Enum):
    """How the connection is.

    READY: it was greeted. WAITING: it was lost, and is made again after `Link.retry_seconds`. ENDED: for good.
    """

    CONNECTING = "connecting"
    READY = "ready"
    WAITING = "waiting"
    ENDED = "ended"


class LinkUser(Protocol):
    """Who works with a link; called from the loop."""

    def connected(self) -> None:
        """There is a new connection: resume."""

    def received(self, frame: Frame) -> None:
        """A frame that answers no request."""

    def disconnected(self) -> None:
        """The connection is lost; what was asked on it gets no answer."""

    def phase_changed(self) -> None:
        """See `Link.phase`."""


class Link:
    """Keeps one connection up.

    Attributes:
        phase: how it is.
        end: how the last connection ended; None before there was an end.
        retry_seconds: in phase WAITING, from the loss to the next try.
        ready: the last greeting: who this is, and the limits; empty before the first.
    """

    def __init__(self, address: Address, admit: Callable[[], Awaitable[Pass]], user: LinkUser) -> None:
        """Nothing is connected before `run`; `admit` gives a pass for each connection."""
        self.phase = Phase.CONNECTING
        self.end: End | None = None
        self.retry_seconds = 0.0
        self.ready: Frame = {}
        self._address = address
        self._admit = admit
        self._user = user
        self._backoff = Backoff()
        self._connection: Connection | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._patience: asyncio.Timeout | None = None
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._failure: Refused | None = None

    @property
    def is_up(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    async def run(self) -> None:
        """Connect, and stay connected until `close`.

        Raises:
            Ended: the server does not want this client back.
            Refused: there is no pass, or `fail` was called.
        """
        try:
            while not self._closing.is_set():
                end = await self._connect_and_stay()
                if self._closing.is_set():
                    break
                self.end = end
                if not comes_back(end):
                    raise Ended(end)
                await self._wait(end)
            if self._failure is not None:
                raise self._failure
        finally:
            self._set_phase(Phase.ENDED)

    def request(self, kind: str, reply: Reply, **fields: object) -> bool:
        """Send a command, see `Connection.request`; False when there is no connection."""
        if self._connection is None:
            return False
        self._connection.request(kind, reply, **fields)
        return True

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do this after a while, if the present connection lives so long."""

        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(seconds, act)
        self._timers.add(timer)

    def settle(self) -> None:
        """Everything is resumed: the next loss counts as the first one."""
        self._backoff.settle()

    def wake(self) -> None:
        """Do not wait any longer: the network is back, or somebody looks."""
        self._wake.set()

    def fail(self, refusal: Refused) -> None:
        """End for good: `run` raises this."""
        self._failure = refusal
        self.close()

    def close(self) -> None:
        """End the connection; `run` returns."""
        self._closing.set()
        self._wake.set()
        if self._connection is not None:
            self._connection.close()
        elif self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def _connect_and_stay(self) -> End:
        self._set_phase(Phase.CONNECTING)
        lost: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        try:
            connection = await self._connect(lambda end: None if lost.done() else lost.set_result(end))
        except Ended as error:
            return error.end
        if connection is None:
            return End(ABNORMAL, "closed while connecting")
        self._connection = connection
        self.ready = connection.ready
        self._backoff.rejoin_ms = connection.ready.get("rj", REJOIN_MS)
        self._set_phase(Phase.READY)
        try:
            self._user.connected()
            return await lost
        finally:
            self._connection = None
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()
            if not lost.done():
                connection.drop()
            self._user.disconnected()

    async def _connect(self, ended: Callable[[End], None]) -> Connection | None:
        """A connection; None when it is not wanted any more."""
        try:
            async with asyncio.timeout(None) as self._patience:
                entry = await self._admit()
                return await Connection.open(self._address, entry, receive=self._user.received, ended=ended)
        except TimeoutError:
            return None
        except Refused as refusal:
            if not refusal.may_retry:
                raise
            raise Ended(End(ABNORMAL, refusal.message, after_seconds=refusal.after_seconds or 0.0)) from None
        finally:
            self._patience = None

    async def _wait(self, end: End) -> None:
        self.retry_seconds = self._backoff.delay_seconds(end, random.random())  # noqa: S311 - spreads clients
        self._wake.clear()
        self._set_phase(Phase.WAITING)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.retry_seconds):
                await self._wake.wait()

    def _set_phase(self, phase: Phase) -> None:
        self.phase = phase
        self._user.phase_changed()
