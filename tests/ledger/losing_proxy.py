"""A way to Postgres on which the reply to a COMMIT gets lost: the commit has happened and nobody was told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

from server.storage.postgres import Postgres


class LosingProxy:
    """Passes everything on, but for as many replies to COMMIT as it is told to lose: it closes both ends instead.

    Attributes:
        replies_to_lose: how many are still to be lost.
        commits_to_lose: how many commits are still to be lost before they reach Postgres.
    """

    def __init__(self, host: str, port: int) -> None:
        self.replies_to_lose = 0
        self.commits_to_lose = 0
        self._upstream = host, port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._upstream)
        try:
            async with asyncio.TaskGroup() as tasks:
                replies = tasks.create_task(self._pass_replies(upstream_reader, writer))
                await self._pass_requests(reader, upstream_writer, upstream_reader, replies)
                replies.cancel()
        finally:
            for one in (writer, upstream_writer):
                one.close()

    async def _pass_requests(
        self,
        reader: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
        upstream_reader: asyncio.StreamReader,
        replies: "asyncio.Task[None]",
    ) -> None:
        while request := await reader.read(65_536):
            if b"COMMIT" in request:
                if self.commits_to_lose:
                    self.commits_to_lose -= 1
                    return
                if self.replies_to_lose:
                    self.replies_to_lose -= 1
                    replies.cancel()
                    upstream.write(request)
                    await asyncio.wait([replies])
                    await upstream_reader.read(65_536)  # Postgres has committed: this is the reply that gets lost
                    return
            upstream.write(request)
            await upstream.drain()

    @staticmethod
    async def _pass_replies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while reply := await reader.read(65_536):
            writer.write(reply)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def open_through_a_losing_proxy(url: str) -> AsyncIterator[tuple[Postgres, LosingProxy]]:
    """Postgres behind a proxy."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = LosingProxy(parts.hostname, parts.port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    user, _, _ = parts.netloc.rpartition("@")
    address = urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    postgres = await Postgres.open(address)
    yield postgres, proxy
    await postgres.close()
    server.close()
    await server.wait_closed()
