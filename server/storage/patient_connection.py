"""A connection to Postgres that is not waited for without end.

The server's own timeouts end what is slow. They cannot end what is silent: a network that was cut, a server that is
frozen. Then the connection is cut from this side; to cancel the statement would be to wait for the same server again.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import asyncpg

PATIENCE_SECONDS: Final = 7.0
"""For one statement; more than the server's `statement_timeout`, so that a server that lives answers first."""
GRACE_SECONDS: Final = 2.0
"""What a statement gets beyond a timeout of its own."""

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection


class PatientConnection(_Connection):
    """asyncpg's connection; a statement that is not answered in time ends with ConnectionDoesNotExistError."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        """As asyncpg's, for `PATIENCE_SECONDS` or the given time at most."""
        with self._watched(timeout):
            return await super().execute(query, *args, timeout=timeout)

    async def executemany(self, command: str, args: Any, *, timeout: float | None = None) -> None:
        """As asyncpg's, for `PATIENCE_SECONDS` or the given time at most."""
        with self._watched(timeout):
            await super().executemany(command, args, timeout=timeout)

    async def fetch(self, query: str, *args: object, timeout: float | None = None, **kwargs: Any) -> Any:
        """As asyncpg's, for `PATIENCE_SECONDS` or the given time at most."""
        with self._watched(timeout):
            return await super().fetch(query, *args, timeout=timeout, **kwargs)

    async def fetchrow(self, query: str, *args: object, timeout: float | None = None, **kwargs: Any) -> Any:
        """As asyncpg's, for `PATIENCE_SECONDS` or the given time at most."""
        with self._watched(timeout):
            return await super().fetchrow(query, *args, timeout=timeout, **kwargs)

    async def fetchval(self, query: str, *args: object, column: int = 0, timeout: float | None = None) -> Any:
        """As asyncpg's, for `PATIENCE_SECONDS` or the given time at most."""
        with self._watched(timeout):
            return await super().fetchval(query, *args, column=column, timeout=timeout)

    def get_reset_query(self) -> str:
        """Nothing, where asyncpg would ask the server to forget the session's state each time a connection is given
        back: a round trip behind every query. No code here leaves any: settings are LOCAL, advisory locks end with
        their transaction, and nobody listens. A transaction that was left open is rolled back all the same."""
        return ""

    async def close(self, *, timeout: float | None = None) -> None:
        """As asyncpg's, for `GRACE_SECONDS` or the given time at most; then the connection is cut."""
        try:
            await super().close(timeout=GRACE_SECONDS if timeout is None else timeout)
        except TimeoutError:
            self.terminate()

    @contextlib.contextmanager
    def _watched(self, timeout_seconds: float | None) -> Iterator[None]:
        patience_seconds = PATIENCE_SECONDS if timeout_seconds is None else timeout_seconds + GRACE_SECONDS
        watchdog = asyncio.get_running_loop().call_later(patience_seconds, self.terminate)
        try:
            yield
        finally:
            watchdog.cancel()
