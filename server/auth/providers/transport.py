"""The way to providers over HTTP: short answers only, in time, and never on to where a redirect points."""

import ssl
from collections.abc import AsyncIterator
from typing import Final

import httpx2

CONNECT_TIMEOUT_SECONDS: Final = 3.0
READ_TIMEOUT_SECONDS: Final = 5.0
ANSWER_BYTES_MAX: Final = 256 * 1024
"""Of one answer. A set of keys is some 5 KiB."""
CONNECTIONS_MAX: Final = 20


class ProviderTransport(httpx2.AsyncBaseTransport):
    """Carries the requests of all clients; they come and go, its connections stay."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """`tls` says whom to trust; None is the usual authorities, read when they are needed first."""
        self._tls = tls
        self._inner: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it.

        Raises:
            httpx2.HTTPError: no answer, or more of it than anybody needs.
        """
        request.headers["accept-encoding"] = "identity"  # a packed answer may be a thousand times as long as it looks
        answer = await self._transport(request.url.scheme).handle_async_request(request)
        if answer.headers.get("content-encoding", "identity") != "identity":
            await answer.aclose()
            raise httpx2.RemoteProtocolError("An answer in a form that was not asked for.", request=request)
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            answer.status_code,
            headers=answer.headers,
            stream=_Bounded(answer.stream, request),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        """Nothing: a client that is done does not take the connections of the others with it. See `close`."""

    async def close(self) -> None:
        """Give the connections back."""
        for transport in self._inner.values():
            await transport.aclose()

    def _transport(self, scheme: str) -> httpx2.AsyncHTTPTransport:
        if scheme not in self._inner:
            # Reading the certificates takes a tenth of a second; on plain http nobody needs them.
            trusted = self._tls or (
                httpx2.create_ssl_context() if scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            )
            limits = httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
            self._inner[scheme] = httpx2.AsyncHTTPTransport(verify=trusted, limits=limits)
        return self._inner[scheme]


class _Bounded(httpx2.AsyncByteStream):
    """A body that may not be longer than it should."""

    def __init__(self, stream: httpx2.AsyncByteStream, request: httpx2.Request) -> None:
        self._stream = stream
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read_bytes = 0
        async for chunk in self._stream:
            read_bytes += len(chunk)
            if read_bytes > ANSWER_BYTES_MAX:
                raise httpx2.ReadError(f"An answer of more than {ANSWER_BYTES_MAX} bytes.", request=self._request)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def client_options(transport: ProviderTransport) -> dict[str, object]:
    """What every client of providers is made with."""
    return {
        "transport": transport,
        "timeout": httpx2.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
        "follow_redirects": False,
    }
