"""Issuers that take the connection and then their time."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from server.auth.providers.authlib_client import DEADLINE_SECONDS
from server.auth.providers.options import ProviderKind, ProviderOptions, SignInOptions
from server.auth.providers.transport import READ_TIMEOUT_SECONDS
from tests.sign_in.browsers import trouble_of
from tests.support.gateways import local_gateway
from tests.support.http_clients import http_client

UNREACHABLE = "Tide cannot be reached right now. Nothing changed. Try again in a moment."
SLACK_SECONDS = 4.0

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def nothing(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def a_little_at_a_time(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(1.0)  # not for the test: it is what such an issuer does


@asynccontextmanager
async def slow_issuer(answer: Answer) -> AsyncIterator[str]:
    async with asyncio.TaskGroup() as tasks:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):  # whoever asked has gone
                try:
                    await reader.readuntil(b"\r\n\r\n")
                    await answer(writer)
                finally:
                    writer.close()
                    await writer.wait_closed()

        running: list[asyncio.Task[None]] = []
        server = await asyncio.start_server(
            lambda reader, writer: running.append(tasks.create_task(serve(reader, writer))), "127.0.0.1", 0
        )
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            for task in running:
                task.cancel()
            server.close()


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (nothing, READ_TIMEOUT_SECONDS),
        pytest.param(a_little_at_a_time, DEADLINE_SECONDS, marks=pytest.mark.long),
    ],
)
async def test_nobody_waits_longer_for_an_issuer_than_it_may_take(
    postgres_url: str, redis_url: str, answer: Answer, seconds: float
) -> None:
    async with slow_issuer(answer) as issuer:
        tide = ProviderOptions("tide", "Tide", ProviderKind.OIDC, "a-client", "its secret", issuer)
        async with (
            local_gateway(postgres_url, redis_url, sign_in=SignInOptions([tide])) as running,
            http_client(running.url) as http,
        ):
            began = time.monotonic()
            answered = await http.post(
                "/signin/tide", data={"next": "/me"}, headers={"origin": running.url}, timeout=30.0
            )
            assert seconds - 0.5 < time.monotonic() - began < seconds + SLACK_SECONDS
            assert trouble_of(await http.get(answered.headers["location"])) == UNREACHABLE
