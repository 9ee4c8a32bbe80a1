"""Gateways in processes of their own, killed and started again, and people who ask until they are answered."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from tests.support.forked_gateways import ORIGIN, ForkedGateway, GatewayNest

GATEWAYS: Final = 2
PATIENCE_SECONDS: Final = 90.0
"""How long one request is tried again; longer than any fault lasts on a machine that is shared."""
PAUSE_SECONDS: Final = 0.1
TEMPORARY: Final = {"busy", "unavailable", "overloaded", "rate_limited", "provider_error"}
ENVIRONMENT: Final = {"TALLYLIGHT_PAYMENTS": "sandbox"}


@dataclass
class Fleet:
    """The gateways; at each moment one of them may be gone."""

    nest: GatewayNest
    postgres_url: str
    redis_url: str
    alive: list[ForkedGateway] = field(default_factory=list)
    _ends: dict[int, contextlib.AsyncExitStack] = field(default_factory=dict)

    async def launch(self) -> None:
        """Start one more."""
        stack = contextlib.AsyncExitStack()
        gateway = await stack.enter_async_context(self.nest.gateway(self.postgres_url, self.redis_url, ENVIRONMENT))
        self._ends[id(gateway)] = stack
        self.alive.append(gateway)

    async def replace(self, rng: random.Random) -> None:
        """SIGKILL one of them; when it is gone, start another one."""
        gateway = rng.choice(self.alive)
        self.alive.remove(gateway)
        gateway.kill()
        await self._ends.pop(id(gateway)).aclose()
        await self.launch()

    async def end(self) -> None:
        """Kill all."""
        for stack in self._ends.values():
            await stack.aclose()


@contextlib.asynccontextmanager
async def fleet(nest: GatewayNest, postgres_url: str, redis_url: str) -> AsyncIterator[Fleet]:
    """Two gateways with the sandbox."""
    made = Fleet(nest, postgres_url, redis_url)
    try:
        for _ in range(GATEWAYS):
            await made.launch()
        yield made
    finally:
        await made.end()


@dataclass
class Browser:
    """A person at a browser, who sends a request again, with the same key, until it has an answer that stays."""

    fleet: Fleet
    rng: random.Random
    http: httpx2.AsyncClient
    cookie: str

    async def persist(
        self,
        path: str,
        *,
        key: str | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """POST one of the three kinds of body, at any gateway, until the answer is not a temporary one."""
        sent = {"origin": ORIGIN, "cookie": self.cookie, "accept": "application/json", **(headers or {})}
        if key is not None:
            sent["idempotency-key"] = key
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    url = self.rng.choice(self.fleet.alive).url + path
                    answer = await self.http.post(url, headers=sent, json=json, data=form, content=content)
                    if not _is_temporary(answer):
                        return answer
                except (httpx2.TransportError, IndexError):  # it was killed; or none is alive at the moment
                    pass
                await asyncio.sleep(self.rng.uniform(PAUSE_SECONDS, 3 * PAUSE_SECONDS))


def _is_temporary(answer: httpx2.Response) -> bool:
    return answer.status_code >= 400 and answer.json()["code"] in TEMPORARY
