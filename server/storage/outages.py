"""Postgres that cannot be reached or does not answer, as the one refusal that callers know: `unavailable`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
import sqlalchemy.exc

from server.domain.errors import Code, Refusal

_OUTAGE_SQLSTATES: Final = ("08", "53", "57P", "57014", "55P03", "25006", "25P03")
"""Connection trouble, no resources, shut down or starting, cancelled by a timeout, lock timeout, read only, ended while
idle in a transaction."""


_CONNECTION_ERRORS: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that died while idle: its last words were read, its end was not
    sqlalchemy.exc.TimeoutError,
)


def is_outage(error: BaseException) -> bool:
    """Whether the database, not the statement, is to blame: the same statement may work a moment later."""
    if isinstance(error, ValueError):  # an argument that does not fit its type: an InterfaceError, and no outage
        return False
    if isinstance(error, _CONNECTION_ERRORS):
        return True
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        return error.connection_invalidated or _has_outage_state(error.orig)
    return _has_outage_state(error)


@contextmanager
def outages_refused() -> Iterator[None]:
    """Turn an outage into a Refusal; everything else passes.

    Raises:
        Refusal: unavailable, with the error as its cause.
    """
    try:
        yield
    except Exception as error:
        if is_outage(error):
            raise Refusal(Code.UNAVAILABLE, "The database does not answer.", after_seconds=2) from error
        raise


def _has_outage_state(error: BaseException | None) -> bool:
    state = getattr(error, "sqlstate", None)
    return isinstance(state, str) and state.startswith(_OUTAGE_SQLSTATES)
