"""One HTTP/1.1 connection to a model's provider, read as it comes.

A token is a chunk of its own, so what a read costs is what an answer costs. This reader hands over the bytes of the
body that one turn of the event loop brought, as one value, and has no timer: about a fifth of the cost of a general
client. Requests go out whole, one at a time; no pipelining, no upgrade.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

import httptools
import httpx2

READ_AHEAD_BYTES = 256 * 1024
"""Reading pauses when this much of a body waits for its reader."""

HEAD_MAX_BYTES = 64 * 1024
"""An answer whose head is longer is not HTTP as we know it."""


class UpstreamConnection(asyncio.Protocol):
    """A connection that carries one request at a time.

    Attributes:
        status: of the answer that is being read.
        headers: of the same answer, in the provider's spelling.
        reusable: whether another request may follow: the answer was read to its end and nothing was broken.
        answered: whether any byte of an answer to the current request has come.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.reusable = False
        self.answered = False
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._head_bytes = 0
        self._head_done = False
        self._body_done = False
        self._paused = False
        self._until_close = False
        self._passed_over = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._sink: Callable[[bytes], bool] | None = None

    def send(self, method: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]], content: bytes) -> None:
        """Sends a request; its answer is what `read_head` and `read` give from now on."""
        assert self._transport is not None
        self.status, self.headers = 0, []
        self.answered = self.reusable = self._head_done = self._body_done = self._until_close = False
        self._head_bytes, self._passed_over = 0, False
        self._drop_parts()  # of an earlier answer that nobody read
        head = b"".join(b"%s: %s\r\n" % header for header in headers)
        self._transport.write(b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method, target, head, content))

    async def read_head(self) -> None:
        """Waits for the head of the answer.

        Raises:
            httpx2.TransportError: the connection broke or carries something else than HTTP.
        """
        while not self._head_done:
            self._raise_error()
            await self._wait()

    async def read(self) -> bytes:
        """What has come of the body since the last call; waits for more if nothing has. Empty at its end, and after
        `close`.

        Raises:
            httpx2.TransportError: the connection broke in the middle of the body.
        """
        while not self._parts:
            if self._body_done:
                return b""
            self._raise_error()
            await self._wait()
        return self._take_parts()

    async def flow(self, sink: Callable[[bytes], bool]) -> None:
        """Hand over the body as it comes, in the turn of the loop that brings it and without waking this task.

        Args:
            sink: takes what has come and returns whether it wants more. What it raises is raised here.

        Returns:
            When the sink wants no more, at the end of the body, and after `close`.

        Raises:
            httpx2.TransportError: the connection broke in the middle of the body.
        """
        if self._parts and not sink(self._take_parts()):
            return
        if self._body_done:
            return
        self._raise_error()
        self._sink = sink
        try:
            await self._wait()
        finally:
            self._sink = None
        if not self._body_done:
            self._raise_error()

    def pass_over_rest(self) -> None:
        """The reader knows that nothing more of interest comes. The rest of the body is read and dropped, so that the
        connection becomes `reusable` by itself soon."""
        self._passed_over = True
        self._drop_parts()

    def close(self) -> None:
        """Closes at once; the provider sees it. May be repeated."""
        self.reusable = False
        self._body_done = True
        self._error = self._error or httpx2.ReadError("The connection was closed.")
        self._parts.clear()
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    @property
    def may_be_reused(self) -> bool:
        """Whether it is reusable, or will be when the rest has been passed over."""
        return self.is_open and (self.reusable or self._passed_over)

    @property
    def is_open(self) -> bool:
        """Whether the provider has not closed it, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    def _drop_parts(self) -> None:
        self._parts.clear()
        self._waiting_bytes = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _take_parts(self) -> bytes:
        parts, self._parts = self._parts, []
        self._waiting_bytes = 0
        if self._paused:
            self._drop_parts()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is None or self._waiter.done():
            return
        try:
            has_taken = self._sink is not None and self._parts and self._sink(self._take_parts())
            if has_taken and not self._body_done and self._error is None:
                return  # the sink waits for more
        except Exception as error:
            self._waiter.set_exception(error)
        else:
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._body_done:
            self.close()  # an answer that nobody asked for
            return
        self.answered = True
        if not self._head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(httpx2.RemoteProtocolError("The provider's answer is not HTTP."))
            return
        if not self._head_done and self._head_bytes > HEAD_MAX_BYTES:
            self._fail(httpx2.RemoteProtocolError("The head of the provider's answer is too long."))
        elif self._waiting_bytes > READ_AHEAD_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The provider has closed its side: the usual end of an answer without a length, else a break."""
        self._ended(None)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._ended(error)
        self._transport = None

    def _ended(self, error: Exception | None) -> None:
        self.reusable = False
        if self._until_close and error is None:
            self._body_done = True
        elif not self._body_done:
            self._error = self._error or httpx2.RemoteProtocolError("The provider closed the connection.")
        self._wake()

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the answer."""
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete; an interim answer (1xx) is passed over."""
        self.status = self._parser.get_status_code()
        if self.status < 200:
            self.headers = []
            return
        names = {name.lower() for name, _ in self.headers}
        self._until_close = not names & {b"content-length", b"transfer-encoding"} and self.status not in (204, 304)
        self._head_done = True

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._passed_over:
            return
        self._parts.append(body)
        self._waiting_bytes += len(body)

    def on_message_complete(self) -> None:
        """The body is complete."""
        if self._head_done:
            self._body_done = True
            self.reusable = self._parser.should_keep_alive() and not self._until_close
