"""Limits of requests as callers meet them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
from redis.asyncio import Redis as Client
from starlette.requests import HTTPConnection
from starlette.routing import Route

from server.api.contract import described_routes
from server.api.flood_limit import UNLIMITED_PATHS
from server.api.guard import action_of
from server.api.operations import operation_of
from server.auth.addresses import AddressDigests, ClientAddresses
from server.auth.rate_limits import RateLimits
from server.channels.embedding import Embedding
from server.domain.rates import RATES, Action, Subject
from server.domain.settings import Settings
from server.storage.postgres import Postgres
from server.storage.redis import Redis, RedisLimits
from server.storage.windows import Windows
from tests.api.site import CURSOR_SECRET, Site
from tests.support.rows import Rows

ROUTES = [one for one in described_routes() if isinstance(one, Route) and one.path not in UNLIMITED_PATHS]
LEAST = 0.01
LISTS_OF_FIVE = 5 / 300
_T = TypeVar("_T")


class CountingRedis(Redis):
    """Counts round trips; each call of `run` here is one."""

    trips = 0

    async def run(self, work: Callable[[Client], Awaitable[_T]]) -> _T:
        self.trips += 1
        return await super().run(work)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[CountingRedis]:
    opened = CountingRedis(Redis.open(redis_url)._client, RedisLimits())
    yield opened
    await opened.close()


def site_of(postgres: Postgres, redis: Redis | None = None, *, factor: float = LEAST) -> Site:
    site = Site(postgres, settings=Settings(limits_factor=factor))
    if redis is not None:
        site.redis = redis
    return site


async def exhaust(redis: Redis, action: Action) -> None:
    """Use up what the address of the tests has of this."""
    limits = RateLimits(Windows(redis), ClientAddresses(), AddressDigests(CURSOR_SECRET), lambda: LEAST)
    scope = {"type": "http", "client": ("127.0.0.1", 123), "headers": []}
    for _ in range(RATES[action][Subject.ADDRESS].times(LEAST).count):
        await limits.check_address(action, HTTPConnection(scope))


async def test_every_route_is_limited_for_an_address(postgres: Postgres, redis: Redis) -> None:
    for route in ROUTES:
        await redis.run(lambda client: client.flushall())
        await exhaust(redis, action_of(operation_of(route.endpoint), route))
        path = route.path.format(name="lab", id="1", provider="sandbox", username="somebody", token="t")
        async with site_of(postgres, redis).client() as client:
            [method] = (route.methods or {"GET"}) - {"HEAD"}
            answer = await client.request(method, path, headers={"accept": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited"), (method, path)
        assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("has_redis", [True, False])
async def test_the_edge_over_http(postgres: Postgres, redis: Redis, *, has_redis: bool) -> None:
    async with site_of(postgres, redis if has_redis else None, factor=LISTS_OF_FIVE).client() as client:
        answers = [await client.get("/api/channels") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    problem: dict[str, Any] = answers[-1].json()
    assert (problem["code"], problem["retry"]) == ("rate_limited", True)
    assert problem["after"] == int(answers[-1].headers["retry-after"])


async def test_people_get_a_page_that_says_so(postgres: Postgres, redis: Redis) -> None:
    async with site_of(postgres, redis, factor=1 / 300).client() as client:
        await client.get("/", headers={"accept": "text/html"})
        answer = await client.get("/", headers={"accept": "text/html"})
    assert answer.status_code == 429
    assert "retry-after" in answer.headers
    assert "Too many requests" in answer.text


async def test_a_visitor_is_counted_apart_from_the_address(postgres: Postgres, redis: Redis, rows: Rows) -> None:
    """Ten downloads of one visitor; another one behind the same address still has theirs."""
    site = site_of(postgres, redis, factor=0.1)
    async with site.client() as one, site.client() as other:
        for client in (one, other):
            await client.get("/")
        statuses = [(await client.get("/api/me/transactions.csv")).status_code for client in (one, one, other)]
    assert statuses == [200, 429, 200]


async def test_a_channel_is_counted_under_all_spellings_of_its_name(postgres: Postgres, redis: Redis) -> None:
    site = site_of(postgres, redis, factor=1 / 120)
    async with site.client() as client:
        await redis.run(lambda client: client.flushall())
        first = await client.get("/api/channels/Lab/transactions.csv")
        await redis.run(_without_addresses)
        second = await client.get("/api/channels/lAB/transactions.csv")
    assert (first.status_code, second.status_code) == (404, 429)


async def _without_addresses(client: Client) -> None:
    for key in await client.keys("*address*"):
        await client.delete(key)


async def test_an_unknown_page_costs_this_server_alone(postgres: Postgres, redis: CountingRedis) -> None:
    async with site_of(postgres, redis).client() as client:
        statuses = [(await client.get("/absent")).status_code for _ in range(31)]
    assert statuses == [404] * 30 + [429]
    assert redis.trips == 0


async def test_health_is_always_told(postgres: Postgres, redis: Redis) -> None:
    async with site_of(postgres, redis).client() as client:
        assert {(await client.get("/healthz")).status_code for _ in range(100)} == {200}


async def test_a_page_costs_one_round_trip_to_redis(postgres: Postgres, redis: CountingRedis, rows: Rows) -> None:
    await rows.active_channel("lab")
    async with site_of(postgres, redis, factor=1.0).client() as client:
        for path in ("/", "/c/lab", "/c/lab/transactions", "/c/lab/contribute", "/me", "/badges"):
            redis.trips = 0
            assert (await client.get(path)).status_code == 200
            assert redis.trips == 1, path


async def test_a_visitor_of_a_frame_is_limited_and_the_site_may_read_why(
    postgres: Postgres, redis: CountingRedis
) -> None:
    fans = "https://fans.example"
    await Embedding(postgres).allow(await Rows(postgres).active_channel("lab"), [fans], by_user_id=None)
    async with site_of(postgres, redis).client() as page:
        page.headers["origin"] = fans
        begun = await page.post("/api/ws-tickets", json={"channel": "lab"})
        assert begun.status_code == 200
        body = {"channel": "lab", "embedSession": begun.json()["embedSession"]}
        again = await page.post("/api/ws-tickets", json=body)
        assert (again.status_code, again.json()["code"]) == (429, "rate_limited")
        assert int(again.headers["retry-after"]) > 0
        assert again.headers["access-control-allow-origin"] == fans
        assert (await page.post("/api/ws-tickets", json={"channel": "lab"})).status_code == 200
