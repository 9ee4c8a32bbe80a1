"""Limits of requests, on a real Valkey and without one."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from starlette.requests import HTTPConnection

from server.auth.addresses import AddressDigests, ClientAddresses
from server.auth.rate_limits import LocalBuckets, RateLimits
from server.domain.errors import Code, Refusal
from server.domain.identity import Identity
from server.domain.rates import RATES, Action, Rate, Subject
from server.storage.redis import Redis
from server.storage.windows import Windows

NOWHERE = "redis://127.0.0.1:1"
SHARED = [(action, subject) for action in Action if action is not Action.REQUESTS for subject in RATES[action]]
SOMEBODY, ELSE = Identity(UUID(int=1)), Identity(UUID(int=2))


def request(address: str = "203.0.113.5", *, forwarded: str | None = None) -> HTTPConnection:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    return HTTPConnection({"type": "http", "client": (address, 5), "headers": headers})


def limits(redis: Redis, *, factor: float = 1.0, trusted: tuple[str, ...] = ()) -> RateLimits:
    """On one node; its clock stands still."""
    digests = AddressDigests(b"a secret of the tests")
    return RateLimits(Windows(redis), ClientAddresses(trusted), digests, lambda: factor, clock=lambda: 1_000.0)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    opened = Redis.open(redis_url)
    yield opened
    await opened.close()


async def check(node: RateLimits, action: Action, subject: Subject, *, is_other: bool = False) -> None:
    if subject is Subject.ADDRESS:
        await node.check_address(action, request("203.0.113.9" if is_other else "203.0.113.5"))
    elif subject is Subject.CALLER:
        await node.check_caller(action, ELSE if is_other else SOMEBODY)
    else:
        await node.check_channel(action, "other" if is_other else "lab")


async def expect_the_edge(node: RateLimits, action: Action, subject: Subject) -> None:
    for _ in range(RATES[action][subject].count):
        await check(node, action, subject)
    with pytest.raises(Refusal) as refused:
        await check(node, action, subject)
    assert refused.value.code is Code.RATE_LIMITED
    assert 1 <= (refused.value.after_seconds or 0) <= RATES[action][subject].seconds
    await check(node, action, subject, is_other=True)


@pytest.mark.parametrize(("action", "subject"), SHARED)
async def test_the_edge_of_each_limit(redis: Redis, action: Action, subject: Subject) -> None:
    await expect_the_edge(limits(redis), action, subject)


@pytest.mark.parametrize(("action", "subject"), SHARED)
async def test_the_edge_of_each_limit_without_redis(action: Action, subject: Subject) -> None:
    """Nobody is let through uncounted, and nobody is turned away for Redis alone."""
    await expect_the_edge(limits(Redis.open(NOWHERE)), action, subject)


def test_the_edge_of_what_one_server_takes_of_an_address() -> None:
    node = limits(Redis.open(NOWHERE))
    for _ in range(RATES[Action.REQUESTS][Subject.ADDRESS].count):
        node.check_here(request())
    with pytest.raises(Refusal):
        node.check_here(request())
    node.check_here(request("203.0.113.9"))


async def test_two_servers_count_together(redis: Redis) -> None:
    one, other = limits(redis, factor=0.1), limits(redis, factor=0.1)
    for node in (one, other, one, other, one, other):
        await node.check_address(Action.CHECKOUTS, request())
    with pytest.raises(Refusal):
        await one.check_address(Action.CHECKOUTS, request())


async def test_one_subscriber_of_ipv6_is_one_address(redis: Redis) -> None:
    node = limits(redis, factor=0.01)
    await node.check_address(Action.CHECKOUTS, request("2001:db8:1:2::1"))
    with pytest.raises(Refusal):
        await node.check_address(Action.CHECKOUTS, request("2001:db8:1:2:ffff::9"))
    await node.check_address(Action.CHECKOUTS, request("2001:db8:1:3::1"))


async def test_what_a_client_writes_into_x_forwarded_for_changes_nothing(redis: Redis) -> None:
    node = limits(redis, factor=0.01)
    await node.check_address(Action.CHECKOUTS, request(forwarded="198.51.100.1"))
    with pytest.raises(Refusal):
        await node.check_address(Action.CHECKOUTS, request(forwarded="198.51.100.2"))


async def test_behind_a_trusted_proxy_its_entry_counts_and_those_before_do_not(redis: Redis) -> None:
    node = limits(redis, factor=0.01, trusted=("10.0.0.0/8",))
    await node.check_address(Action.CHECKOUTS, request("10.0.0.1", forwarded="1.1.1.1, 198.51.100.1"))
    await node.check_address(Action.CHECKOUTS, request("10.0.0.1", forwarded="1.1.1.1, 198.51.100.2"))
    with pytest.raises(Refusal):
        await node.check_address(Action.CHECKOUTS, request("10.0.0.1", forwarded="2.2.2.2, 198.51.100.1"))


async def test_redis_holds_no_address(redis: Redis) -> None:
    await limits(redis).check_address(Action.READS, request())
    keys = await redis.run(lambda client: client.keys("*"))
    assert keys
    assert not any(b"203.0.113" in key for key in keys)


async def test_what_was_counted_is_forgotten_by_redis(redis: Redis) -> None:
    await limits(redis).check_address(Action.READS, request())
    [key] = await redis.run(lambda client: client.keys("*"))
    assert 0 < await redis.run(lambda client: client.ttl(key)) <= 2 * RATES[Action.READS][Subject.ADDRESS].seconds


def test_buckets_are_forgotten_beginning_with_those_unseen_longest() -> None:
    buckets, rate = LocalBuckets(lambda: 0.0, buckets_max=2), Rate(1, 60)
    assert [buckets.take(key, rate) for key in ("a", "b")] == [0, 0]
    assert buckets.take("a", rate) > 0
    assert buckets.take("c", rate) == 0  # b goes
    assert len(buckets) == 2
    assert buckets.take("a", rate) > 0
    assert buckets.take("b", rate) == 0
