"""Who comes in: by a ticket, in the handshake or in `hello`, else by the session of a cookie."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from server.auth.sessions import Sessions
from server.auth.tickets import BadTicket, ForeignTicket, Tickets
from server.domain.identity import Identity
from server.ws.close_codes import CloseCode

TICKET_PREFIX: Final = "t."
"""Marks the ticket among the subprotocols that a client offers; it is not echoed."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Who was let in.

    Attributes:
        channel_id: the only channel for them, as their ticket says; None: all of them.
    """

    identity: Identity
    channel_id: UUID | None = None


class Door:
    """Lets people in."""

    def __init__(self, sessions: Sessions, tickets: Tickets) -> None:
        self._sessions = sessions
        self._tickets = tickets

    async def by_ticket(self, ticket: str, origin: str | None) -> Guest | CloseCode:
        """Who brings this ticket, or why they go.

        Args:
            ticket: which is used up.
            origin: of the handshake; None when it has none.

        Raises:
            Refusal: unavailable.
        """
        try:
            admission = await self._tickets.redeem(ticket, origin)
        except BadTicket:
            return CloseCode.BAD_TICKET
        except ForeignTicket:
            return CloseCode.NO_IDENTITY
        return Guest(admission.identity, admission.channel_id)

    async def by_cookie(self, token: str | None) -> Guest | CloseCode:
        """Whose session this is, or why they go.

        Args:
            token: what the cookie holds; None without a usable one.

        Raises:
            Refusal: unavailable.
        """
        identity = await self._sessions.find(token)
        return CloseCode.NO_IDENTITY if identity is None else Guest(identity)


def ticket_among(subprotocols: Sequence[str]) -> str | None:
    """The ticket in a handshake; None: there is none. Of several the first one counts."""
    return next((one.removeprefix(TICKET_PREFIX) for one in subprotocols if one.startswith(TICKET_PREFIX)), None)
