"""What tests of `tallylight chat` share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from server.auth.api_keys import ApiKeys
from server.embedded.valkey import EmbeddedValkey
from tests.commands.house import House
from tests.support.databases import Databases
from tests.support.gateways import local_gateway
from tests.support.instances import bare_environment
from tests.support.world import made_world


@pytest.fixture(scope="module")
def shared(
    databases: Databases, valkey_server: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """The module's gateway, in a thread of its own."""
    name = databases.create()
    valkey_server.resp.run("FLUSHALL")
    urls = databases.url(name), valkey_server.url
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(made_world(*urls)) as world,
        portal.wrap_async_context_manager(local_gateway(*urls)) as gateway,
    ):
        yield House(portal, world, gateway.url, {})
    databases.drop(name)


@pytest.fixture
def house(shared: House, tmp_path: Path) -> House:
    """The gateway with a key and a home of this test's own; the channel has credits."""
    _, secret = shared.portal.call(ApiKeys(shared.world.postgres).create, "of a test")
    shared.portal.call(shared.world.set_balance, 50)
    environment = bare_environment(TALLYLIGHT_API_KEY=secret, XDG_STATE_HOME=str(tmp_path))
    del environment["COLUMNS"]
    return House(shared.portal, shared.world, shared.url, environment)
