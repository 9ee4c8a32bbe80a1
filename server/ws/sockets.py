"""All sockets of this node: how many an identity and an address may have, and the farewell when the server goes."""

from collections import Counter
from itertools import islice
from typing import Final
from uuid import UUID

from server.chats.opening import OWNER_REF
from server.domain.identity import Identity, IdentityKind
from server.domain.settings import Settings
from server.ws.close_codes import CloseCode
from server.ws.connection import Connection
from server.ws.protocol import Drain, encode
from server.ws.who import WhoFrame

SOCKETS_MAX: Final = 15_000
"""Sockets of one process; a handshake above it is answered 503 (a process may hold some 20,000 files)."""


class Sockets:
    """The open connections, oldest first."""

    def __init__(self) -> None:
        self._open: dict[Connection, None] = {}
        self._counted: set[Connection] = set()
        self._by_owner: dict[UUID, list[Connection]] = {}
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        """Whether this node takes no more."""
        return len(self._open) >= SOCKETS_MAX

    @property
    def key_ids(self) -> set[UUID]:
        """The API keys that have sockets here."""
        identities = (own[0].identity for own in self._by_owner.values())
        return {one.key_id for one in identities if one is not None and one.key_id is not None}

    def of_sessions(self) -> tuple[list[Connection], list[Identity]]:
        """The connections of users and visitors, and who each of them is taken for."""
        connections, identities = list[Connection](), list[Identity]()
        for connection in self._open:
            identity = connection.identity
            if identity is not None and identity.key_id is None:
                connections.append(connection)
                identities.append(identity)
        return connections, identities

    def identify(self, connection: Connection, identity: Identity, settings: Settings) -> None:
        """Go on with a connection as somebody else: its session was claimed, or its user has another name.

        One that has gone while that was found out stays gone: it would be counted for ever.
        """
        if connection not in self._open:
            return
        self._leave_owner(connection)
        connection.identity = identity
        self.admit(connection, identity, settings)
        connection.outbox.put(encode(WhoFrame(identity.kind.value, OWNER_REF, identity.name)))

    def close_owner(self, owner_id: UUID, code: CloseCode) -> None:
        """Close every socket of this key, user or visitor's session."""
        for connection in self._by_owner.get(owner_id, ()):
            connection.close(code)

    def add(self, connection: Connection, settings: Settings) -> bool:
        """Count a connection that was accepted, as its address's too unless the handshake says that it is a key's.

        Returns:
            False when its address has too many: this one goes, and counts for nothing.
        """
        guest = connection.entry.guest
        if guest is None or guest.identity.kind is not IdentityKind.KEY:
            if self._by_address[connection.address] >= settings.ws_sockets_per_address:
                return False
            self._by_address[connection.address] += 1
            self._counted.add(connection)
        self._open[connection] = None
        return True

    def admit(self, connection: Connection, identity: Identity, settings: Settings) -> None:
        """Count a connection as this identity's; the identity's oldest one goes when there are too many."""
        is_key = identity.kind is IdentityKind.KEY
        if is_key:
            self._leave_address(connection)
        own = self._by_owner.setdefault(_owner(identity), [])
        own.append(connection)
        limit = settings.ws_sockets_per_key if is_key else settings.ws_sockets_per_identity
        if len(own) > limit:
            own[0].close(CloseCode.TOO_MANY_SOCKETS)
            del own[0]

    def remove(self, connection: Connection) -> None:
        """The connection is gone."""
        del self._open[connection]
        self._leave_address(connection)
        self._leave_owner(connection)

    def announce_drain(self, within_ms: int) -> None:
        """Tell every client that the server goes."""
        frame = encode(Drain(within_ms))
        for connection in self._open:
            connection.outbox.put(frame)

    def close_idle(self, count_max: int) -> int:
        """Close some of the sockets that wait for no answer, the oldest first; returns how many."""
        idle = (one for one in self._open if not one.is_closing and not one.is_in_use)
        chosen = list(islice(idle, count_max))
        for connection in chosen:
            connection.close(CloseCode.DRAINING)
        return len(chosen)

    def close_all(self, code: CloseCode) -> None:
        """Close every socket."""
        for connection in self._open:
            connection.close(code)

    def _leave_owner(self, connection: Connection) -> None:
        identity = connection.identity
        if identity is None:
            return
        own = self._by_owner.get(_owner(identity), [])
        if connection in own:
            own.remove(connection)
            if not own:
                del self._by_owner[_owner(identity)]

    def _leave_address(self, connection: Connection) -> None:
        if connection not in self._counted:
            return
        self._counted.remove(connection)
        self._by_address[connection.address] -= 1
        if not self._by_address[connection.address]:
            del self._by_address[connection.address]


def _owner(identity: Identity) -> UUID:
    return identity.key_id or identity.user_id or identity.session_id
