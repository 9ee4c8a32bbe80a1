"""Redis: one client without retries of its own, a circuit breaker around it, the Lua scripts, and every key name.

Redis is never the truth here. Whoever calls it has an answer for `RedisUnavailable` at hand and must not wait long for
it: a command has half a second in all, and after a failure nobody tries for one second.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, Self, TypeVar
from uuid import UUID

import structlog
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

_T = TypeVar("_T")

log = structlog.get_logger(__name__)

_NO_ANSWER = (RedisConnectionError, RedisTimeoutError, TimeoutError, OSError)
"""What waiting in vain looks like; other errors are answers, and answers do not open the breaker."""


@dataclass(frozen=True, slots=True)
class RedisLimits:
    """How much of Redis one node takes, and how long it waits."""

    connections: int = 32
    socket_timeout_seconds: float = 0.3
    command_timeout_seconds: float = 0.5
    breaker_open_seconds: float = 1.0


class RedisUnavailable(Exception):
    """Redis did not answer, answered with an error or garbage, or is not asked as it did not answer a moment ago."""


class Redis:
    """The Redis of one node."""

    def __init__(self, client: Client, limits: RedisLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._limits = limits
        self._clock = clock
        self._open_until = 0.0
        self._is_failing = False
        self._is_probing = False
        self._scripts: dict[str, AsyncScript] = {}

    @classmethod
    def open(cls, url: str, limits: RedisLimits | None = None) -> Self:
        """A client for this address; nothing is connected before it is used, and Redis need not be there.

        Args:
            url: ``redis://…``, ``rediss://…`` or ``unix://…``, with the database's number as its path.
            limits: None means the defaults.
        """
        limits = limits or RedisLimits()
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=limits.connections,
            timeout=limits.socket_timeout_seconds,
            socket_timeout=limits.socket_timeout_seconds,
            socket_connect_timeout=limits.socket_timeout_seconds,
            retry=Retry(NoBackoff(), 0),
            # With these notices on, a pooled connection that the server has closed is not noticed before its next use.
            maint_notifications_config=MaintNotificationsConfig(enabled=False),
        )
        return cls(Client(connection_pool=pool), limits)

    @property
    def available(self) -> bool:
        """Whether a call would be tried now."""
        return not self._is_failing or (not self._is_probing and self._clock() >= self._open_until)

    async def run(self, work: Callable[[Client], Awaitable[_T]]) -> _T:
        """Do this with the client, once, within ``command_timeout_seconds``.

        After a call without an answer the breaker is open for ``breaker_open_seconds``; then one caller tries while the
        others are still turned away, and its outcome decides.

        Raises:
            RedisUnavailable: there is no answer, or it is an error or garbage; whether it was done is not known.
        """
        if not self.available:
            raise RedisUnavailable("Redis did not answer a moment ago")
        self._is_probing = self._is_failing
        try:
            async with asyncio.timeout(self._limits.command_timeout_seconds):
                answer = await work(self._client)
        except _NO_ANSWER as error:
            await self._fail(error)
            raise RedisUnavailable(f"Redis did not answer: {error!r}") from error
        except RedisError as error:
            self._recover()
            raise RedisUnavailable(f"Redis refused: {error}") from error
        except Exception as error:  # the client's own, TypeError and the like, over a reply that makes no sense
            await self._fail(error)
            raise RedisUnavailable(f"Redis answered garbage: {error!r}") from error
        finally:
            self._is_probing = False
        self._recover()
        return answer

    async def script(self, name: str, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        """Run ``scripts/<name>.lua``.

        Raises:
            RedisUnavailable: as `run`.
        """
        return await self.run(lambda _: self._script(name)(keys=list(keys), args=list(args)))

    async def scripts(self, name: str, calls: Sequence[tuple[Sequence[str], Sequence[str | int]]]) -> list[Any]:
        """Run one script for many sets of keys in one round trip; each call is atomic, all of them together are not.

        Raises:
            RedisUnavailable: as `run`; any of the calls may have been done.
        """
        script = self._script(name)

        async def send(client: Client) -> list[Any]:
            pipeline = client.pipeline(transaction=False)
            for keys, args in calls:
                pipeline.evalsha(script.sha, len(keys), *keys, *args)
            return await pipeline.execute()

        async def send_known(client: Client) -> list[Any]:
            try:
                return await send(client)
            except NoScriptError:
                await client.script_load(script.script)
                return await send(client)

        return await self.run(send_known)

    async def ping(self) -> None:
        """Ask the server for nothing.

        Raises:
            RedisUnavailable: as `run`.
        """
        await self.run(lambda client: client.ping())

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose(close_connection_pool=True)

    def _script(self, name: str) -> AsyncScript:
        script = self._scripts.get(name)
        if script is None:
            source = resources.files("server.storage").joinpath("scripts", f"{name}.lua").read_text(encoding="utf-8")
            script = self._scripts[name] = self._client.register_script(source)
        return script

    async def _fail(self, error: BaseException) -> None:
        is_news = not self._is_failing
        self._is_failing = True
        self._open_until = self._clock() + self._limits.breaker_open_seconds
        if is_news:
            log.warning("redis.lost", error=repr(error))
            # The idle connections lead to the same silence: without this each would fail once, and open the breaker.
            with suppress(*_NO_ANSWER):
                await self._client.connection_pool.disconnect(inuse_connections=False)

    def _recover(self) -> None:
        if self._is_failing:
            log.info("redis.back")
        self._is_failing = False


WINDOWS_PREFIX: Final = "rate"
"""Begins the two keys of each window of `windows.py`, which share the rest as their hash tag and expire."""


def balance_key(channel_id: UUID) -> str:
    """The copy of a channel's balance: a hash of ``b`` (credits) and ``v`` (ledger version) that expires."""
    return f"{{ch:{channel_id}}}:bal"


def reservations_key(channel_id: UUID) -> str:
    """The chats of a channel whose first message is under way: a sorted set of chat id → deadline in ms."""
    return f"{{ch:{channel_id}}}:open"


def checkpoint_key(chat_id: UUID, epoch: int, message_id: UUID) -> str:
    """The text so far of a running answer; the epoch in the name keeps a former owner's writes apart."""
    return f"{{c:{chat_id}}}:{epoch}:{message_id}"


def ticket_key(digest: str) -> str:
    """What a ticket stands for, as JSON that expires; `digest` is the SHA-256 of the ticket, in hex."""
    return f"t:{digest}"
