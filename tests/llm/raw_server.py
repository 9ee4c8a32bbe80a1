"""A server that writes exactly the bytes it is told to: for what a scripted one never sends."""

import asyncio
import json
import ssl
from collections import deque
from types import TracebackType

STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


class RawServer:
    """Answers each request with the next of `answers`.

    Attributes:
        answers: bytes, and whether the connection is closed after them.
        requests: the heads of the requests that came.
        connections: how many were opened.
        gone: how many of them are closed.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: deque[tuple[bytes, bool]] = deque()
        self.requests: list[bytes] = []
        self.connections = 0
        self.gone = 0
        self._tls = tls
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> "RawServer":
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.hang_up()
        await self._listener.wait_closed()

    def write(self, data: bytes) -> None:
        """Writes to every open connection."""
        for writer in self._open:
            writer.write(data)

    def hang_up(self) -> None:
        """Closes every connection."""
        for writer in self._open:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if b"content-length:" in line]
                await reader.readexactly(int(length[0]) if length else 0)
                self.requests.append(head)
                answer, closes = self.answers.popleft()
                writer.write(answer)
                await writer.drain()
                if closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._open.discard(writer)
            self.gone += 1
            writer.close()

    @staticmethod
    def status(status: int, header: str = "X-Nothing: 1", body: str = "") -> tuple[bytes, bool]:
        """A refusal."""
        content = json.dumps({"error": {"message": body}})
        return f"HTTP/1.1 {status} No\r\n{header}\r\nContent-Length: {len(content)}\r\n\r\n{content}".encode(), False

    @staticmethod
    def tokens(*texts: str, ends: bool = True, finish: str | None = None) -> tuple[bytes, bool]:
        """A stream without a length; without an end it is just closed."""
        events = [{"choices": [{"delta": {"content": text}}]} for text in texts]
        if finish is not None:
            events.append({"choices": [{"delta": {}, "finish_reason": finish}]})  # type: ignore[dict-item]
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        return (STREAM + "\r\n" + "".join(lines) + ("data: [DONE]\n\n" if ends else "")).encode(), True
