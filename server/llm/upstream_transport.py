"""The connections to a model's provider: an httpx2 transport that the provider's SDK uses like any other.

It is for streams: the extension `upstream` of an answer is the connection that carries its body (see
`UpstreamConnection.read`). Proxies are not its business, see `openai_model`.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator

import httpx2

from server.llm.upstream_connection import UpstreamConnection

IDLE_CONNECTIONS = 64
"""Connections kept open for the next request, each at most `IDLE_SECONDS`; above this the oldest is closed."""

IDLE_SECONDS = 15.0

Origin = tuple[str, str, int]
_DEFAULT_PORTS = {"http": 80, "https": 443}


class UpstreamTransport(httpx2.AsyncBaseTransport):
    """Opens a connection for each request that finds none idle. How many there are at once is the caller's limit."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """`tls` says whom to trust; None is the usual authorities."""
        self._idle: dict[UpstreamConnection, tuple[Origin, float]] = {}
        self._tls = tls

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends the request and waits for the head of its answer.

        Raises:
            httpx2.ConnectError, httpx2.ConnectTimeout: nothing was sent.
            httpx2.ReadTimeout, httpx2.RemoteProtocolError: no head came.
        """
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        origin = _origin(request.url)
        content = await request.aread()
        while (connection := self._take_idle(origin)) is not None:
            try:
                return await self._exchange(connection, origin, request, content, timeouts.get("read"))
            except httpx2.RemoteProtocolError:
                if connection.answered:
                    raise
                # The provider closed it while it was idle; the request was never looked at.
        connection = await self._connect(origin, timeouts.get("connect"))
        return await self._exchange(connection, origin, request, content, timeouts.get("read"))

    async def aclose(self) -> None:
        """Closes what is idle; streams that are read are closed by their readers."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _exchange(
        self,
        connection: UpstreamConnection,
        origin: Origin,
        request: httpx2.Request,
        content: bytes,
        timeout_seconds: float | None,
    ) -> httpx2.Response:
        try:
            connection.send(request.method.encode(), request.url.raw_path, request.headers.raw, content)
            async with asyncio.timeout(timeout_seconds):
                await connection.read_head()
        except TimeoutError:
            connection.close()
            raise httpx2.ReadTimeout("The provider does not answer.", request=request) from None
        except BaseException:
            connection.close()
            raise
        return httpx2.Response(
            connection.status,
            headers=connection.headers,
            stream=_Body(connection, self, origin),
            extensions={"http_version": b"HTTP/1.1", "upstream": connection},
        )

    async def _connect(self, origin: Origin, timeout_seconds: float | None) -> UpstreamConnection:
        scheme, host, port = origin
        tls = self._tls_context() if scheme == "https" else None
        try:
            async with asyncio.timeout(timeout_seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    UpstreamConnection, host, port, ssl=tls
                )
        except TimeoutError:
            raise httpx2.ConnectTimeout("The provider does not answer.") from None
        except (OSError, ssl.SSLError) as error:
            raise httpx2.ConnectError(f"The provider cannot be reached: {type(error).__name__}.") from error
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx2.create_ssl_context()
        return self._tls

    def _take_idle(self, origin: Origin) -> UpstreamConnection | None:
        """The connection that became idle last."""
        oldest_allowed = asyncio.get_running_loop().time() - IDLE_SECONDS
        for connection in reversed(list(self._idle)):
            of_origin, since = self._idle[connection]
            if since < oldest_allowed or not connection.may_be_reused:
                del self._idle[connection]
                connection.close()
            elif of_origin == origin and connection.reusable:
                del self._idle[connection]
                return connection
        return None

    def give_back(self, connection: UpstreamConnection, origin: Origin) -> None:
        """Keeps a connection whose answer was read to its end, or will be in a moment; closes any other."""
        if not connection.may_be_reused:
            connection.close()
            return
        self._idle[connection] = (origin, asyncio.get_running_loop().time())
        if len(self._idle) > IDLE_CONNECTIONS:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.close()


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, for readers that know no connection: the SDK reads refusals through it."""

    def __init__(self, connection: UpstreamConnection, transport: UpstreamTransport, origin: Origin) -> None:
        self._connection = connection
        self._transport = transport
        self._origin = origin
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await self._connection.read():
            yield data

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._transport.give_back(self._connection, self._origin)


def _origin(url: httpx2.URL) -> Origin:
    return url.scheme, url.host, url.port or _DEFAULT_PORTS[url.scheme]
