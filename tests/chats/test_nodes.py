"""A node and its lease."""

import asyncio
import math
from collections.abc import Mapping
from uuid import UUID

from server.chats.nodes import LeaseTimes, Node
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.support.nodes import JOIN_SECONDS, joined_node
from tests.support.waiting import eventually


async def test_a_node_is_overdue_until_its_lost_chats_are_dropped(postgres_url: str) -> None:
    postgres = await Postgres.open(postgres_url)
    dropping, dropped = asyncio.Event(), asyncio.Event()
    owned = {new_id(): 1}

    async def drop(lost: Mapping[UUID, int]) -> None:
        assert lost == owned
        dropping.set()
        await dropped.wait()

    node = Node(postgres, LeaseTimes(lease_seconds=30.0, renewal_seconds=0.01), lambda: owned, drop)
    assert node.is_overdue
    renewing = asyncio.create_task(node.run())
    async with asyncio.timeout(JOIN_SECONDS):
        await dropping.wait()
    assert node.is_overdue
    dropped.set()
    await eventually(lambda: not node.is_overdue)
    renewing.cancel()
    await asyncio.wait([renewing])
    await postgres.close()


async def test_a_lease_that_was_given_back_is_not_renewed_for_a_last_frame(postgres_url: str) -> None:
    postgres = await Postgres.open(postgres_url)
    async with joined_node(postgres) as node:
        node._overdue_at_seconds = -math.inf
        await node.leave()
        await node.ensure_not_overdue()
        holds = "SELECT lease_until > clock_timestamp() FROM node WHERE id = $1"
        assert not await postgres.pool.fetchval(holds, node.id)
    await postgres.close()
