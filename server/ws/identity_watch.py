"""Whose the open sockets are: a sign-in, a sign-out or a revocation may happen at another node, or in another process,
so each node looks once a second what has become of the sessions and keys of its own sockets.
"""

import asyncio
from typing import Final

import structlog

from server.auth.api_keys import ApiKeys
from server.auth.session_changes import read_changes
from server.domain.errors import Refusal
from server.domain.identity import Identity
from server.storage.postgres import Postgres
from server.storage.settings import LiveSettings
from server.ws.close_codes import CloseCode
from server.ws.connection import Connection
from server.ws.sockets import Sockets

LOOK_SECONDS: Final = 0.9
"""Between two looks; with the look itself, about a second."""
SESSIONS_PER_QUERY: Final = 500
"""A query for so many takes the event loop half a millisecond and Postgres one; tokens go out between two of them."""

log = structlog.get_logger(__name__)


class IdentityWatch:
    """Closes the sockets of sessions that have ended and of keys that were revoked, and tells the others who they are
    where that has changed: they go on."""

    def __init__(self, postgres: Postgres, keys: ApiKeys, sockets: Sockets, settings: LiveSettings) -> None:
        self._postgres = postgres
        self._keys = keys
        self._sockets = sockets
        self._settings = settings

    async def look(self) -> None:
        """Bring them up to date: one query for all keys, and one for each `SESSIONS_PER_QUERY` sessions.

        Raises:
            Refusal: unavailable.
        """
        key_ids = self._sockets.key_ids
        if key_ids:
            for key_id in await self._keys.revoked_of(key_ids):
                self._sockets.close_owner(key_id, CloseCode.IDENTITY_CHANGED)
        connections, identities = self._sockets.of_sessions()
        for first in range(0, len(identities), SESSIONS_PER_QUERY):
            some = slice(first, first + SESSIONS_PER_QUERY)
            for place, identity in await read_changes(self._postgres, identities[some]):
                self._bring_up_to_date(connections[some][place], identity)

    def _bring_up_to_date(self, connection: Connection, identity: Identity | None) -> None:
        if identity is None:
            connection.close(CloseCode.IDENTITY_CHANGED)
        elif not connection.is_closing:
            self._sockets.identify(connection, identity, self._settings.current)

    async def run(self) -> None:
        """Look about every second until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Refusal as refusal:
                log.warning("identities_not_read", error=repr(refusal.__cause__))
