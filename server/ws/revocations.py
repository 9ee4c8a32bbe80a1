"""Sockets of API keys that were revoked: another process does that, so each node looks which of its own are gone."""

import asyncio
from typing import Final

import structlog

from server.auth.api_keys import ApiKeys
from server.domain.errors import Refusal
from server.ws.close_codes import CloseCode
from server.ws.sockets import Sockets

LOOK_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


class Revocations:
    """Closes the sockets of keys that were revoked, within about a second."""

    def __init__(self, keys: ApiKeys, sockets: Sockets) -> None:
        self._keys = keys
        self._sockets = sockets

    async def look(self) -> None:
        """Close them now.

        Raises:
            Refusal: unavailable.
        """
        key_ids = self._sockets.key_ids
        if key_ids:
            for key_id in await self._keys.revoked_of(key_ids):
                self._sockets.close_owner(key_id, CloseCode.IDENTITY_CHANGED)

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Refusal as refusal:
                log.warning("revocations_not_read", error=repr(refusal.__cause__))
