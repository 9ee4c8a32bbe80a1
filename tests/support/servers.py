"""Any application as a server in the test's own loop."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn
from starlette.types import ASGIApp

from tests.support.waiting import eventually


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve on a socket that listens already, until the end."""
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server._serve([listener]))
        await eventually(lambda: server.started)
        try:
            yield
        finally:
            server.should_exit = True
            await running
