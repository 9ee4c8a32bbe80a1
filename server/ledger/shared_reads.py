"""One reading for everybody who asked before it began."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Reading(Generic[V]):
    """A reading that has not begun, or its outcome."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.value: V | None = None
        self.error: Exception | None = None
        self.was_abandoned = True


class SharedReads(Generic[K, V]):
    """Reads the value of a key for many callers at once.

    A caller never gets a value that was read before it asked: whoever comes while a reading runs waits for the next
    one, together with all that come until it begins. So a crowd costs two readings, not one each.
    """

    def __init__(self, read: Callable[[K], Awaitable[V]]) -> None:
        self._read = read
        self._next: dict[K, _Reading[V]] = {}
        self._turns: dict[K, asyncio.Lock] = {}

    async def get(self, key: K) -> V:
        """The value of this key, read after this call; raises what the reading raised."""
        while True:
            reading = self._next.get(key)
            if reading is None:
                return await self._lead(key)
            await reading.ended.wait()
            if reading.error is not None:
                raise reading.error
            if not reading.was_abandoned:
                return reading.value  # type: ignore[return-value]

    async def _lead(self, key: K) -> V:
        """Wait for the reading before, then read for those who wait by then."""
        reading = self._next[key] = _Reading()
        turn = self._turns.setdefault(key, asyncio.Lock())
        began = False
        try:
            async with turn:
                del self._next[key]
                began = True
                reading.value = await self._read(key)
                reading.was_abandoned = False
                return reading.value
        except Exception as error:
            reading.error = error
            raise
        finally:
            if not began:
                del self._next[key]
            reading.ended.set()
            if key not in self._next and not turn.locked():
                self._turns.pop(key, None)
