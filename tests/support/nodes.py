"""A node without a gateway around it, for tests of what stands on one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from uuid import UUID

from server.chats.nodes import EpochsLost, LeaseTimes, Node
from server.storage.postgres import Postgres

JOIN_SECONDS = 10.0


async def nothing_is_lost(chats: Mapping[UUID, int]) -> None:
    """For a node whose chats nobody takes."""
    raise AssertionError(chats)


@contextlib.asynccontextmanager
async def joined_node(
    postgres: Postgres, owned: Callable[[], Mapping[UUID, int]] = dict, lost: EpochsLost = nothing_is_lost
) -> AsyncIterator[Node]:
    """A node with a fresh lease of the usual length, which is renewed."""
    node = Node(postgres, LeaseTimes(), owned, lost)
    await node.renew(JOIN_SECONDS)
    renewing = asyncio.create_task(node.run())
    try:
        yield node
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])
