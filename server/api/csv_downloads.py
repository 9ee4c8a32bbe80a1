"""CSV files that are written while they are read from Postgres, batch by batch, for as long as somebody takes them.

Nothing is held between two batches but one place of the few there are: no connection, no snapshot, one batch of memory.
A file that could not be written to its end is cut off without the mark of its end, so nobody takes a part for the
whole.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.api.csv_text import MEDIA_TYPE, Cell, csv_text
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


Batches = Callable[[], AsyncIterator[Sequence[Sequence[Cell]]]]


class CsvDownload(Response):
    """The answer with one file. Its first batch is read before it begins, so that a refusal can still be told."""

    def __init__(self, downloads: Downloads, file_name: str, header: Sequence[str], batches: Batches) -> None:
        """Nothing is read yet.

        Args:
            downloads: where it takes a place.
            file_name: of ASCII letters, digits, hyphens and dots.
            header: names of the columns.
            batches: begins to read; each batch is some rows.
        """
        headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{file_name}"'}
        super().__init__(None, 200, headers, MEDIA_TYPE)
        del self.headers["content-length"]
        self._downloads = downloads
        self._header = header
        self._batches = batches

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
                async with asyncio.timeout(self._downloads.limits.seconds), aclosing(self._lines()) as lines:
                    first = await anext(lines)
                    await send(start)
                    await self._send_line(send, first)
                    async for line in lines:
                        if await request.is_disconnected():
                            return
                        await self._send_line(send, line)
                    await send({"type": "http.response.body", "body": b""})
            except TimeoutError:
                log.warning("download.cut_off", file=self.headers["content-disposition"])

    async def _send_line(self, send: Send, lines: bytes) -> None:
        async with asyncio.timeout(self._downloads.limits.stall_seconds):
            await send({"type": "http.response.body", "body": lines, "more_body": True})

    async def _lines(self) -> AsyncGenerator[bytes]:
        header = csv_text([self._header])
        async for batch in self._batches():
            yield header + csv_text(batch)
            header = b""
