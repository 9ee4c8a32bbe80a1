"""HTTP as providers speak it, and as they should not."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from server.llm import upstream_connection, upstream_transport
from server.llm.upstream_connection import UpstreamConnection
from server.llm.upstream_transport import UpstreamTransport
from tests.llm.raw_server import RawServer
from tests.support.waiting import eventually

CERTIFICATE = Path(__file__).with_name("certificate.pem")
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.fixture(scope="module")
def certificate() -> ssl.SSLContext:
    """What a server for 127.0.0.1 shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@pytest.fixture(scope="module")
def trusted() -> ssl.SSLContext:
    """What a client has that trusts it."""
    return ssl.create_default_context(cafile=CERTIFICATE)


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    timeout = httpx2.Timeout(5, read=2)
    async with httpx2.AsyncClient(transport=UpstreamTransport(), timeout=timeout) as client:
        yield client


async def get(client: httpx2.AsyncClient, server: RawServer, *answers: bytes, closes: bool = False) -> httpx2.Response:
    server.answers += [(answer, closes) for answer in answers]
    return await client.post(server.base_url, content=b"body")


def open_stream(client: httpx2.AsyncClient, server: RawServer) -> "asyncio.Task[httpx2.Response]":
    request = client.build_request("POST", server.base_url, content=b"body")
    return asyncio.ensure_future(client.send(request, stream=True))


@pytest.mark.parametrize(
    ("answer", "closes"),
    [
        (WHOLE, False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", True),
    ],
    ids=["length", "chunked", "until close", "interim answer", "http 1.0"],
)
async def test_a_body_is_read_to_its_end(
    client: httpx2.AsyncClient, server: RawServer, answer: bytes, *, closes: bool
) -> None:
    response = await get(client, server, answer, closes=closes)
    assert (response.status_code, response.text) == (200, "hello")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * upstream_connection.HEAD_MAX_BYTES,
    ],
    ids=["nothing", "half a head", "short", "half a chunk", "bad chunk", "not HTTP", "endless head"],
)
async def test_what_breaks_off_or_is_no_http_is_an_error(
    client: httpx2.AsyncClient, server: RawServer, answer: bytes
) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        await get(client, server, answer, closes=True)


async def test_a_connection_is_used_again(client: httpx2.AsyncClient, server: RawServer) -> None:
    for _ in range(3):
        assert (await get(client, server, WHOLE)).text == "hello"
    assert server.connections == 1


async def test_a_body_that_nobody_read_is_not_taken_for_the_next(client: httpx2.AsyncClient, server: RawServer) -> None:
    server.answers += [(WHOLE.replace(b"hello", b"first"), False)]
    response = await open_stream(client, server)
    await response.aclose()
    assert (await get(client, server, WHOLE)).text == "hello"


async def test_one_that_the_provider_closes_is_not_used_again(client: httpx2.AsyncClient, server: RawServer) -> None:
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
    await get(client, server, answer, closes=True)
    assert (await get(client, server, WHOLE)).text == "hello"
    assert server.connections == 2


async def test_one_that_was_closed_while_it_was_idle_is_replaced(client: httpx2.AsyncClient, server: RawServer) -> None:
    await get(client, server, WHOLE)
    server.answers += [(b"", True), (WHOLE, False)]  # it is closed as the next request comes in
    assert (await client.post(server.base_url, content=b"body")).text == "hello"
    assert server.connections == 2


async def test_an_idle_one_is_not_kept_for_ever(
    client: httpx2.AsyncClient, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await get(client, server, WHOLE)
    monkeypatch.setattr(upstream_transport, "IDLE_SECONDS", -1.0)
    await get(client, server, WHOLE)
    assert server.connections == 2


async def test_only_so_many_are_kept(
    client: httpx2.AsyncClient, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_transport, "IDLE_CONNECTIONS", 1)
    server.answers += [(WHOLE, False)] * 4
    responses = [await open_stream(client, server), await open_stream(client, server)]
    for response in responses:
        await response.aread()
    assert server.connections == 2
    await open_stream(client, server)
    await open_stream(client, server)
    assert server.connections == 3


async def test_the_rest_of_a_stream_may_be_passed_over(client: httpx2.AsyncClient, server: RawServer) -> None:
    server.answers += [(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", False)]
    response = await open_stream(client, server)
    connection = response.extensions["upstream"]
    assert isinstance(connection, UpstreamConnection)
    assert await connection.read() == b"hello"
    connection.pass_over_rest()
    await response.aclose()
    assert not connection.reusable
    server.write(b"3\r\nend\r\n0\r\n\r\n")
    await eventually(lambda: connection.reusable)
    assert (await get(client, server, WHOLE)).text == "hello"
    assert server.connections == 1


async def test_words_that_nobody_asked_for_close_an_idle_connection(
    client: httpx2.AsyncClient, server: RawServer
) -> None:
    await get(client, server, WHOLE)
    server.write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    await eventually(lambda: server.gone == 1)
    assert (await get(client, server, WHOLE)).text == "hello"


async def test_a_reader_that_is_closed_reads_nothing_more(client: httpx2.AsyncClient, server: RawServer) -> None:
    server.answers += [(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", False)]
    response = await open_stream(client, server)
    connection = response.extensions["upstream"]
    assert await connection.read() == b"hello"
    reading = asyncio.ensure_future(connection.read())
    await asyncio.sleep(0)
    connection.close()
    assert await reading == b""
    assert await connection.read() == b""
    await eventually(lambda: server.gone == 1)
    await response.aclose()


async def test_a_provider_that_is_faster_than_its_reader_is_held_back(
    client: httpx2.AsyncClient, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    size_bytes = 20_000_000
    monkeypatch.setattr(upstream_connection, "READ_AHEAD_BYTES", 10_000)
    server.answers += [(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size_bytes + b"x" * size_bytes, False)]
    response = await open_stream(client, server)
    connection = response.extensions["upstream"]
    have_bytes, most_bytes = 0, 0
    while data := await connection.read():
        have_bytes += len(data)
        most_bytes = max(most_bytes, len(data))
    assert have_bytes == size_bytes
    assert most_bytes < 1_000_000
    await response.aclose()


async def test_no_connection_is_an_error(client: httpx2.AsyncClient) -> None:
    async with RawServer() as server:
        address = server.base_url
    with pytest.raises(httpx2.ConnectError):
        await client.get(address)


async def test_no_head_in_time_is_an_error(client: httpx2.AsyncClient) -> None:
    async with RawServer() as server:
        server.answers += [(b"", False)]
        with pytest.raises(httpx2.ReadTimeout):
            await client.post(server.base_url, content=b"body", timeout=httpx2.Timeout(5, read=0.05))
        await eventually(lambda: server.gone == 1)


async def test_no_handshake_in_time_is_an_error(client: httpx2.AsyncClient) -> None:
    async with RawServer() as server:
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get(server.base_url.replace("http:", "https:"), timeout=httpx2.Timeout(5, connect=0.05))


async def test_a_certificate_is_checked(client: httpx2.AsyncClient, certificate: ssl.SSLContext) -> None:
    async with RawServer(certificate) as server:
        with pytest.raises(httpx2.ConnectError, match="SSLCertVerificationError"):
            await client.get(server.base_url.replace("http:", "https:"))


async def test_a_trusted_certificate_is_accepted(certificate: ssl.SSLContext, trusted: ssl.SSLContext) -> None:
    async with RawServer(certificate) as server, httpx2.AsyncClient(transport=UpstreamTransport(trusted)) as client:
        server.answers += [(WHOLE, False)]
        assert (await client.post(server.base_url.replace("http:", "https:"), content=b"x")).text == "hello"
