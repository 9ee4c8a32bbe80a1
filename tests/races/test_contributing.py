"""Contributions through two real gateways: a request counts once, a goal is reached once, every page hears of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from server.storage.ids import new_id
from tests.support.forked_gateways import ORIGIN, ForkedGateway, GatewayNest, new_visitor
from tests.support.socket_client import SocketClient, of_kind
from tests.support.world import World

CHANNEL = "night-kitchen"
PATH = f"/api/channels/{CHANNEL}/contributions"
MISSING_CENTS = 500
"""Of the goal of this channel."""
ROUNDS = 20


@pytest.fixture
async def nodes(
    postgres_url: str, redis_url: str, world: World, nest: GatewayNest
) -> AsyncIterator[list[ForkedGateway]]:
    """Two processes on one database."""
    async with nest.gateway(postgres_url, redis_url) as one, nest.gateway(postgres_url, redis_url) as other:
        yield [one, other]


@contextlib.asynccontextmanager
async def browser(node: ForkedGateway, cookie: str) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"cookie": cookie, "origin": ORIGIN}
    async with httpx2.AsyncClient(base_url=node.url, headers=headers, timeout=30) as client:
        yield client


async def give(client: httpx2.AsyncClient, key: str, cents: int = MISSING_CENTS) -> httpx2.Response:
    """Ask, and again while the same request is being carried out elsewhere."""
    while True:
        answer = await client.post(PATH, json={"type": "ACTIVATION", "amount": cents}, headers={"idempotency-key": key})
        if answer.json().get("code") != "busy":
            return answer
        await asyncio.sleep(0.05)  # as `Retry-After` says, and sooner


async def pay(client: httpx2.AsyncClient, made: httpx2.Response) -> dict[str, Any]:
    """Pay at the sandbox, and wait for what the contribution becomes."""
    decided = await client.post(made.json()["checkoutUrl"], data={"outcome": "pay"})
    assert decided.status_code == 303
    async with asyncio.timeout(20):
        while True:
            given: dict[str, Any] = (await client.get(made.headers["location"])).json()
            if given["status"] == "SETTLED":
                return given
            await asyncio.sleep(0.05)


def told(client: SocketClient, kind: str) -> list[tuple[object, ...]]:
    """What a page was told of the channel, after the figures that it began with."""
    fields = {"channel": ("status", "activationFunding", "creditBalance"), "credit": ("balance", "why")}[kind]
    return [tuple(frame[field] for field in fields) for frame in client.frames if frame["t"] == kind][1:]


async def test_one_request_at_two_nodes_is_one_contribution(nodes: list[ForkedGateway], world: World) -> None:
    cookie = await new_visitor(world.postgres)
    async with browser(nodes[0], cookie) as one, browser(nodes[1], cookie) as other:
        for _ in range(ROUNDS):
            key = str(new_id())
            answers = await asyncio.gather(*(give(client, key) for client in (one, other, one, other)))
            assert {answer.status_code for answer in answers} == {201}
            assert len({answer.content for answer in answers}) == 1
    count = await world.postgres.pool.fetchval(
        "SELECT count(*) FROM contribution WHERE session_id IN (SELECT id FROM session WHERE token_hash IS NOT NULL)"
    )
    assert count == ROUNDS


async def test_of_two_who_finish_the_goal_at_once_one_does_and_the_other_gets_credits_and_every_page_hears_it(
    nodes: list[ForkedGateway], world: World
) -> None:
    cookies = [await new_visitor(world.postgres) for _ in nodes]
    pages = [await node.connect(cookie) for node, cookie in zip(nodes, cookies, strict=True)]
    for page in pages:
        assert (await page.call("watch", channel=CHANNEL))["t"] == "ok"
        await page.wait_for(of_kind("credit", why="now"))
    async with browser(nodes[0], cookies[0]) as one, browser(nodes[1], cookies[1]) as other:
        made = [await give(client, "the-race-1") for client in (one, other)]
        became = await asyncio.gather(pay(one, made[0]), pay(other, made[1]))
    parts = sorted(
        (part["type"], part["amount"], part["credits"]) for given in became for part in given["transactions"]
    )
    assert parts == [("ACTIVATION", MISSING_CENTS, 0), ("CREDIT_PURCHASE", MISSING_CENTS, 50)]
    for page in pages:
        await page.wait_for(of_kind("credit", balance=50))
        await page.wait_for(of_kind("channel", status="ACTIVE"))
        assert [event[:2] for event in told(page, "channel")] == [("ACTIVE", 1_000)]
        assert told(page, "credit") == [(50, "purchase")]
