"""Sliding windows in Redis, shared by all servers: how often something happened lately, through the library `limits`.

Two counters for each window and Redis's own clock; taking one is one script, one round trip.
"""

import time
from typing import Final

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis as Client

from server.domain.rates import Rate
from server.storage.redis import WINDOWS_PREFIX, Redis

WAIT_SECONDS_MIN: Final = 1.0


class Windows:
    """The windows in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._limiter: SlidingWindowCounterRateLimiter | None = None

    async def take(self, key: str, rate: Rate) -> float:
        """Count one more under this key, if there is room.

        Args:
            key: whom and what is counted; it goes into Redis as it stands, so it is short and names nobody.
            rate: how many the window holds; the weight of what lies between one and two windows back falls evenly.

        Returns:
            0 when it was counted, else the seconds, at least 1, after which there may be room; then nothing was.

        Raises:
            RedisUnavailable: it is not known whether it was counted.
        """
        window = RateLimitItemPerSecond(rate.count, rate.seconds, key)
        if await self._redis.run(lambda client: self._in(client).hit(window)):
            return 0.0
        stats = await self._redis.run(lambda client: self._in(client).get_window_stats(window))
        return min(max(WAIT_SECONDS_MIN, stats.reset_time - time.time()), float(rate.seconds))

    def _in(self, client: Client) -> SlidingWindowCounterRateLimiter:
        """The library on our own connections, so that they are as many and as patient as for everything else."""
        if self._limiter is None:
            storage = RedisStorage(
                "async+redis://",
                implementation="redispy",
                key_prefix=WINDOWS_PREFIX,
                connection_pool=client.connection_pool,  # type: ignore[arg-type] # it says so in its documents alone
            )
            self._limiter = SlidingWindowCounterRateLimiter(storage)
        return self._limiter
