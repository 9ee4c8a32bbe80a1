"""Just enough of PostgreSQL's protocol (version 3, "Message Formats") to tell one exchange from the next."""

import asyncio
import struct
from dataclasses import dataclass, field
from typing import Final

SSL_REQUEST: Final = 80877103
GSS_REQUEST: Final = 80877104
_HEAD: Final = struct.Struct("!ci")
_STARTUP_HEAD: Final = struct.Struct("!ii")


@dataclass(frozen=True, slots=True)
class Message:
    """A typed message.

    Attributes:
        kind: its type byte.
        raw: all of it, as it goes over the wire.
    """

    kind: bytes
    raw: bytes

    @property
    def body(self) -> bytes:
        """What follows the type and the length."""
        return self.raw[_HEAD.size :]


async def read_message(reader: asyncio.StreamReader) -> Message:
    """The next message of either side; IncompleteReadError when the connection has ended."""
    head = await reader.readexactly(_HEAD.size)
    kind, size_bytes = _HEAD.unpack(head)
    return Message(kind, head + await reader.readexactly(size_bytes - 4))


async def read_startup(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """What a client says first, which has no type: the request's code, and all of it."""
    head = await reader.readexactly(_STARTUP_HEAD.size)
    size_bytes, code = _STARTUP_HEAD.unpack(head)
    return code, head + await reader.readexactly(size_bytes - _STARTUP_HEAD.size)


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a client asks before it waits, and what the server answers to it.

    Attributes:
        sql: its statements, one a line.
        transaction: all statements of its transaction so far, these included, one a line.
    """

    sql: str
    transaction: str


@dataclass(slots=True)
class Requests:
    """The requests of one connection: puts messages together until the client waits for an answer."""

    _statements: dict[bytes, str] = field(default_factory=dict)
    _unsent: bytearray = field(default_factory=bytearray)
    _sql: list[str] = field(default_factory=list)
    _transaction: list[str] = field(default_factory=list)

    def add(self, message: Message) -> tuple[bytes, Exchange | None]:
        """Take the next message.

        Returns:
            The bytes that can be passed on, none while the request is not whole; and the exchange that they begin,
            None when they are not answered with ReadyForQuery (a password, a statement that is only being prepared).
        """
        self._unsent += message.raw
        self._note(message)
        if message.kind in {b"P", b"B", b"D", b"E", b"C"}:
            return b"", None
        raw = bytes(self._unsent)
        self._unsent.clear()
        if message.kind not in {b"S", b"Q"}:
            return raw, None
        return raw, self._exchange()

    def _note(self, message: Message) -> None:
        match message.kind:
            case b"P":
                name, sql, _ = message.body.split(b"\0", 2)
                self._statements[name] = sql.decode()
            case b"B":
                _, name, _ = message.body.split(b"\0", 2)
                self._sql.append(self._statements.get(name, ""))
            case b"Q":
                self._sql.append(message.body.rstrip(b"\0").decode())

    def _exchange(self) -> Exchange:
        """The exchange that ends here; without a statement when the client only wants to hear that an error is over."""
        sql = "\n".join(dict.fromkeys(self._sql))
        self._sql.clear()
        if sql.startswith("BEGIN"):
            self._transaction = [sql]
        elif self._transaction:
            self._transaction.append(sql)
        exchange = Exchange(sql, "\n".join(self._transaction or [sql]))
        if sql.startswith(("COMMIT", "ROLLBACK")):
            self._transaction = []
        return exchange
