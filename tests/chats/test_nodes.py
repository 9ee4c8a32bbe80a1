"""A node and its lease."""

import asyncio
import math
from collections.abc import Mapping
from uuid import UUID

import pytest

from server.chats.nodes import LeaseTimes, Node
from server.embedded.postgres import EmbeddedPostgres
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.support.nodes import JOIN_SECONDS, joined_node, nothing_is_lost
from tests.support.postgres_proxy import Side, Step, Verdict, postgres_proxy
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


@pytest.mark.parametrize("side", [Side.REQUEST, Side.REPLY])
@pytest.mark.parametrize(
    ("part", "is_sole"), [("INSERT INTO node", False), ("SELECT EXISTS", False), ("UPDATE node", True)]
)
async def test_a_node_joins_although_a_commit_is_lost(postgres_url: str, part: str, is_sole: bool, side: Side) -> None:
    """Or its reply: a lease is taken under the node's id, and taking it again is the same lease."""
    direct = await Postgres.open(postgres_url)
    async with joined_node(direct) as other, postgres_proxy(postgres_url) as proxy:
        postgres = await Postgres.open(proxy.url)
        node = Node(postgres, LeaseTimes(), dict, nothing_is_lost)
        lost: list[Step] = []

        async def lose(step: Step) -> Verdict:
            if lost or step.side is not side or not step.is_commit_of(part):
                return Verdict.PASS
            lost.append(step)
            return Verdict.CUT

        proxy.hook = lose
        await node.join(is_sole=is_sole)
        assert lost
        rows = await direct.pool.fetch("SELECT id, lease_until > clock_timestamp() AS holds FROM node")
        leases = {row["id"]: row["holds"] for row in rows}
        assert leases == {node.id: True, other.id: not is_sole}
        assert (node.trouble_seconds > 0) is not is_sole
        await node.leave()
        await postgres.close()
    await direct.close()


async def test_a_node_does_not_join_a_postgres_that_is_gone(disposable_postgres: EmbeddedPostgres) -> None:
    postgres = await Postgres.open(disposable_postgres.url)
    disposable_postgres.stop()
    with pytest.raises(OSError, match="Connect call failed"):
        await Node(postgres, LeaseTimes(), dict, nothing_is_lost).join(is_sole=True)
    await postgres.close()
