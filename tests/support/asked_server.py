"""A gateway in a process of its own, for tools that ask it with blocking calls, and a visitor who has talked there."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from anyio.from_thread import start_blocking_portal

from server.auth.cookies import LOOPBACK_NAME
from server.domain.users import UserRole
from tests.support.gateways import GatewayProcess, gateway_process
from tests.support.people import signed_in
from tests.support.world import World, made_world

CHATS: Final = 3
"""More than one page of a short list."""
ANY_AMOUNT: Final = {
    "TALLYLIGHT_SETTING_CONTRIBUTIONS_MIN_CENTS": "1",
    "TALLYLIGHT_SETTING_CONTRIBUTIONS_MAX_CENTS": "100000000",
    "TALLYLIGHT_SETTING_CREDITS_PER_DOLLAR": "100",
}
"""The document knows the widest bounds that an admin may set: here they are set, and each amount buys a credit."""


@dataclass(frozen=True, slots=True)
class AskedServer:
    """A server with something to read.

    Attributes:
        url: its address.
        cookie: the visitor's, as a browser sends it.
        chat: id of one of the visitor's chats.
        message: id of a message in it.
        admin_cookie: of a signed-in admin.
        transaction: id of a contribution's transaction.
    """

    url: str
    cookie: str
    chat: str
    message: str
    admin_cookie: str
    transaction: str


@contextlib.contextmanager
def asked_server(postgres_url: str, redis_url: str) -> Iterator[AskedServer]:
    """Run one with the demo channels.

    A thread of this process would do for the tools, but not for Hypothesis: it takes another thread's use of `random`
    for one inside a strategy.
    """
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(made_world(postgres_url, redis_url)) as world,
        portal.wrap_async_context_manager(gateway_process(postgres_url, redis_url, environment=ANY_AMOUNT)) as gateway,
    ):
        yield portal.call(_talk, world, gateway)


async def _talk(world: World, gateway: GatewayProcess) -> AskedServer:
    client = await gateway.connect()
    for number in range(CHATS):
        opened = await client.open_chat("deep-sea-lab", f"open-{number:04}")
        done = await client.ask(opened["k"], f"Question {number}? [[tokens=5 rate=0 delay_ms=0]]", "send-0001")
    assert gateway.cookie is not None
    admin = await signed_in(world.postgres, "the_admin", UserRole.ADMIN)
    given = await world.postgres.pool.fetchval('SELECT id FROM "transaction" ORDER BY id LIMIT 1')
    return AskedServer(
        gateway.url, gateway.cookie, opened["chat"], done["id"], f"{LOOPBACK_NAME}={admin.token}", str(given)
    )
