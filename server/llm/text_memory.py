"""What was found out about long texts, so that it is found out once."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from server.llm.tokens import in_encoder_thread

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class TextMemory(Generic[K, V]):
    """Results of work that takes an encoder's time. It is done in a thread; what is known costs nothing."""

    def __init__(self, work: Callable[[K], V], results_max: int) -> None:
        """Remembers nothing yet.

        Args:
            work: what is to be found out; never None. It runs in a thread, for one key once in each of them at most
                when many ask at once.
            results_max: how many results are kept, those used last.
        """
        self._work = work
        self._results_max = results_max
        self._results: OrderedDict[K, V] = OrderedDict()
        self._lock = Lock()
        """Held for microseconds, never while the work is done."""

    async def of(self, key: K) -> V:
        """The result for this key.

        Raises:
            Whatever the work raises; nothing is remembered then.
        """
        result = self._recall(key)
        return await in_encoder_thread(lambda: self._find(key)) if result is None else result

    def _recall(self, key: K) -> V | None:
        with self._lock:
            result = self._results.get(key)
            if result is not None:
                self._results.move_to_end(key)
            return result

    def _find(self, key: K) -> V:
        """In the thread. While a crowd waited for it, the first of them may have got the result."""
        result = self._recall(key)
        if result is None:
            result = self._work(key)
            with self._lock:
                self._results[key] = result
                if len(self._results) > self._results_max:
                    self._results.popitem(last=False)
        return result
