"""A gateway on the real servers, with the demo channels; the ledger is checked after each test.

`gateway` is a test's own; `fans` share one gateway a module, for the many short tests of what is refused. A module that
uses `fans` runs its tests in one loop: `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
"""

import logging
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

from server.embedded.valkey import EmbeddedValkey
from server.logs import is_our_concern
from tests.support.databases import Databases
from tests.support.fans import Fans
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.world import World, made_world

SHARED_BALANCE = 10_000


@pytest.fixture
async def world(postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    """The demo channels; clean books at the end."""
    async with made_world(postgres_url, redis_url) as made:
        yield made


@pytest.fixture
async def gateway(postgres_url: str, redis_url: str, world: World) -> AsyncIterator[LocalGateway]:
    """A gateway in this loop."""
    async with local_gateway(postgres_url, redis_url) as running:
        yield running


@pytest.fixture(scope="module")
def shared_settings() -> Mapping[str, str]:
    """The settings of the module's gateway; a module that needs others has a fixture of this name."""
    return {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    databases: Databases, valkey_server: EmbeddedValkey, shared_settings: Mapping[str, str]
) -> AsyncIterator[Fans]:
    """The module's gateway, on a database of its own."""
    name = databases.create()
    valkey_server.resp.run("FLUSHALL")
    async with made_world(databases.url(name), valkey_server.url) as world:
        await world.set_balance(SHARED_BALANCE)
        async with local_gateway(databases.url(name), valkey_server.url, settings=shared_settings) as gateway:
            yield Fans(gateway, world)
    databases.drop(name)


@pytest_asyncio.fixture(loop_scope="module")
async def fans(shared: Fans, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Fans]:
    """Visitors of this test; afterwards the books are clean, and the log has no error: nothing that a client does is
    one."""
    fans = Fans(shared.gateway, shared.world)
    with capture_logs(processors=[format_exc_info]) as logged:
        yield fans
        await fans.close_all()
        await fans.put_on_air()
        if await fans.world.balance() < SHARED_BALANCE // 2:
            await fans.world.set_balance(SHARED_BALANCE)
        await fans.world.check_ledger()
    assert not [entry for entry in logged if entry["log_level"] in {"error", "critical"}]
    foreign = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not [record.getMessage() for record in foreign if is_our_concern(record)]
