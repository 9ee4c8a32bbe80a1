"""The least of the Redis protocol: one command, one short answer. For readiness and tests, not for the application."""

import socket
from dataclasses import dataclass
from urllib.parse import quote

from server.embedded.ports import LOOPBACK

ANSWER_SECONDS = 5.0
ANSWER_BYTES = 65_536


class CommandFailed(Exception):
    """The server refused, or could not be reached."""


@dataclass(frozen=True, slots=True)
class Resp:
    """How to reach one server.

    Attributes:
        port: where it listens, on the loopback address.
        password: its password.
    """

    port: int
    password: str

    def run(self, *words: str) -> str:
        """Runs one command and returns the text of a one-line answer, without its type mark.

        Raises:
            CommandFailed: the server refused, or could not be reached.
        """
        try:
            with socket.create_connection((LOOPBACK, self.port), ANSWER_SECONDS) as connection:
                _ask(connection, "AUTH", self.password)
                return _ask(connection, *words)
        except OSError as error:
            raise CommandFailed(str(error)) from error

    @property
    def url(self) -> str:
        """The address for clients, password included."""
        return f"redis://:{quote(self.password, safe='')}@{LOOPBACK}:{self.port}/0"


def _ask(connection: socket.socket, *words: str) -> str:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    connection.sendall(b"".join(parts))
    answer = b""
    while not answer.endswith(b"\r\n"):
        received = connection.recv(ANSWER_BYTES)
        if not received or len(answer) > ANSWER_BYTES:
            raise CommandFailed("the connection ended in the middle of an answer")
        answer += received
    text = answer[1:].decode("utf-8", "replace").strip()
    if answer.startswith(b"-"):
        raise CommandFailed(text)
    return text
