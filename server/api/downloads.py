"""Files that are written while they are read from Postgres, batch by batch, for as long as somebody takes them.

Nothing is held between two batches but one place of the few there are: no connection, no snapshot, one batch of memory.
A file that could not be written to its end is cut off without the mark of its end, so nobody takes a part for the
whole.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.domain.errors import Code, Refusal

DOWNLOADS_MAX: Final = 4
"""At the same time, in one process; the next one is refused `overloaded`."""
STALL_SECONDS: Final = 30.0
"""What a client has to take a batch; then it is cut off."""
DOWNLOAD_SECONDS_MAX: Final = 3_600.0
"""What it has for the whole file."""
RETRY_AFTER_SECONDS: Final = 10

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DownloadLimits:
    """See the constants of the same names."""

    downloads: int = DOWNLOADS_MAX
    stall_seconds: float = STALL_SECONDS
    seconds: float = DOWNLOAD_SECONDS_MAX


class Downloads:
    """The places of one process."""

    def __init__(self, limits: DownloadLimits | None = None) -> None:
        self.limits = limits or DownloadLimits()
        self.running = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place.

        Raises:
            Refusal: overloaded, there is none.
        """
        if self.running >= self.limits.downloads:
            told = "Other files are being written. Try again in a moment."
            raise Refusal(Code.OVERLOADED, told, after_seconds=RETRY_AFTER_SECONDS)
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1


Chunks = Callable[[], AsyncGenerator[bytes]]
"""Begins to read a file; each chunk is some of it."""


class Download(Response):
    """The answer with one file. Its first chunk is read before it begins, so that a refusal can still be told."""

    def __init__(self, downloads: Downloads, file_name: str, media_type: str, chunks: Chunks) -> None:
        """Nothing is read yet.

        Args:
            downloads: where it takes a place.
            file_name: of ASCII letters, digits, hyphens and dots.
            media_type: what the file is.
            chunks: begins to read.
        """
        headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{file_name}"'}
        super().__init__(None, 200, headers, media_type)
        del self.headers["content-length"]
        self._downloads = downloads
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write it.

        Raises:
            Refusal: overloaded, before it began; unavailable, when Postgres is lost, before or amid.
        """
        start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        request = Request(scope, receive)
        with self._downloads.place():
            try:
                async with asyncio.timeout(self._downloads.limits.seconds), aclosing(self._chunks()) as chunks:
                    first = await anext(chunks)
                    await send(start)
                    await self._send_chunk(send, first)
                    async for chunk in chunks:
                        if await request.is_disconnected():
                            return
                        await self._send_chunk(send, chunk)
                    await send({"type": "http.response.body", "body": b""})
            except TimeoutError:
                log.warning("download.cut_off", file=self.headers["content-disposition"])

    async def _send_chunk(self, send: Send, chunk: bytes) -> None:
        async with asyncio.timeout(self._downloads.limits.stall_seconds):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
