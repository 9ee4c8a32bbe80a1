"""Limits of requests: counted in Redis for all servers together, or on this server alone while Redis is away.

Without Redis nobody is let through uncounted, and nobody is turned away for that: each server then counts for itself,
so that a caller gets at most so many at each server.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from starlette.requests import HTTPConnection

from server.auth.addresses import AddressDigests, ClientAddresses
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.rate_limit import TokenBucket
from server.domain.rates import RATES, Action, Rate, Subject
from server.storage.redis import RedisUnavailable
from server.storage.windows import Windows

BUCKETS_MAX: Final = 20_000
"""Buckets of one server; whoever was seen least lately is forgotten, and begins with a full one."""
DIGEST_CHARACTERS: Final = 36
"""Of an id all, of a digest enough."""

Clock = Callable[[], float]


class LocalBuckets:
    """Token buckets in this process, by key."""

    def __init__(self, clock: Clock = time.monotonic, buckets_max: int = BUCKETS_MAX) -> None:
        self._clock = clock
        self._buckets_max = buckets_max
        self._buckets: OrderedDict[tuple[str, Rate], TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, rate: Rate) -> float:
        """Count one more under this key: 0 when there was room, else the seconds after which there will be."""
        now_seconds = self._clock()
        bucket = self._buckets.get((key, rate))
        if bucket is None:
            bucket = TokenBucket.full(rate.count / rate.seconds, rate.count, now_seconds)
            self._buckets[key, rate] = bucket
            if len(self._buckets) > self._buckets_max:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end((key, rate))
        return bucket.take(now_seconds)


class RateLimits:
    """Refuses who does something too often, by the table in `domain/rates.py`."""

    def __init__(
        self,
        windows: Windows,
        addresses: ClientAddresses,
        digests: AddressDigests,
        factor: Callable[[], float],
        clock: Clock = time.monotonic,
    ) -> None:
        """Limit requests.

        Args:
            windows: where they are counted.
            addresses: finds out where a request comes from.
            digests: an address is not written anywhere, only a digest of the day.
            factor: what every count of the table is multiplied with, as it is now.
            clock: of the buckets that stand in for Redis.
        """
        self._windows = windows
        self._addresses = addresses
        self._digests = digests
        self._factor = factor
        self._here = LocalBuckets(clock)

    def check_here(self, connection: HTTPConnection) -> None:
        """Count a request on this server alone, without asking Redis.

        Raises:
            Refusal: rate_limited.
        """
        key, rate = self._window(Action.REQUESTS, Subject.ADDRESS, self._digest_of(connection))
        _expect_room(self._here.take(key, rate))

    async def check_address(self, action: Action, connection: HTTPConnection) -> None:
        """Count an action for the address that it comes from.

        Raises:
            Refusal: rate_limited.
        """
        await self._check(action, Subject.ADDRESS, self._digest_of(connection))

    async def check_caller(self, action: Action, identity: Identity) -> None:
        """Count an action for whoever does it, where the table has a rate for that.

        Raises:
            Refusal: rate_limited.
        """
        await self._check(action, Subject.CALLER, str(identity.key_id or identity.user_id or identity.session_id))

    async def check_channel(self, action: Action, channel: str) -> None:
        """Count an action for the channel that it is done to, where the table has a rate for that.

        Args:
            channel: always in the same spelling; it may be none of ours.

        Raises:
            Refusal: rate_limited.
        """
        await self._check(action, Subject.CHANNEL, hashlib.sha256(channel.encode()).hexdigest())

    async def _check(self, action: Action, subject: Subject, name: str) -> None:
        if subject not in RATES[action]:
            return
        key, rate = self._window(action, subject, name)
        try:
            wait_seconds = await self._windows.take(key, rate)
        except RedisUnavailable:
            wait_seconds = self._here.take(key, rate)
        _expect_room(wait_seconds)

    def _window(self, action: Action, subject: Subject, name: str) -> tuple[str, Rate]:
        key = f"{action.value}:{subject.value}:{name[:DIGEST_CHARACTERS]}"
        return key, RATES[action][subject].times(self._factor())

    def _digest_of(self, connection: HTTPConnection) -> str:
        return self._digests.of(self._addresses.of(connection), datetime.now(UTC).date())


def _expect_room(wait_seconds: float) -> None:
    if wait_seconds > 0:
        raise Refusal(Code.RATE_LIMITED, "Too many requests. Wait a moment.", after_seconds=max(1.0, wait_seconds))
