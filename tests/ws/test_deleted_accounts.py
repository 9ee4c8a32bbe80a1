"""A user who is deleted while answers run: they end, nothing of them is kept, and no credit is lost or made."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from server.auth.cookies import LOOPBACK_NAME
from server.auth.deletion import delete_user
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.http_clients import http_client
from tests.support.people import Person, signed_in
from tests.support.socket_client import Frame, SocketClient, of_kind
from tests.support.waiting import eventually
from tests.support.world import World

LONG: Final = "Tell me all. [[tokens=2000 rate=50]]"
MUTE: Final = "Say nothing. [[tokens=50 rate=0 delay_ms=0 break=stall fail_at=1]]"
CLOSED_WITHIN_SECONDS: Final = 1.5


@pytest.fixture
async def other(postgres_url: str, redis_url: str, world: World) -> AsyncIterator[LocalGateway]:
    """A second node."""
    async with local_gateway(postgres_url, redis_url) as running:
        yield running


def cookie_of(person: Person) -> str:
    return f"{LOOPBACK_NAME}={person.token}"


async def asked(node: LocalGateway, person: Person, text: str, idem: str) -> tuple[SocketClient, Frame]:
    """A socket, and the `opened` of a chat in which an answer has been asked for."""
    client = await node.connect(cookie_of(person))
    opened = await client.open_chat("deep-sea-lab", idem)
    assert (await client.call("send", k=opened["k"], idem="send-0001", text=text))["t"] == "ok"
    return client, opened


async def delete_over_http(node: LocalGateway, person: Person) -> None:
    async with http_client(node.url) as http:
        http.cookies.update(person.cookies)
        answer = await http.request("DELETE", "/api/me", json={"username": "mara_k"}, headers={"origin": node.url})
        assert answer.status_code == 204


@pytest.mark.parametrize("where", ["here", "there"])
async def test_a_running_answer_ends_and_leaves_no_text(
    gateway: LocalGateway, other: LocalGateway, world: World, where: str
) -> None:
    person = await signed_in(world.postgres, "mara_k")
    before = await world.balance()
    with capture_logs() as logged:
        client, opened = await asked(gateway, person, LONG, "open-0001")
        await client.wait_for(of_kind("d"))
        await delete_over_http(gateway if where == "here" else other, person)
        async with asyncio.timeout(CLOSED_WITHIN_SECONDS):
            assert await client.wait_closed() == 4004
        await eventually(lambda: not gateway.gateway.live_chats.busy())
    chat_id = UUID(opened["chat"])
    assert await world.postgres.pool.fetchval("SELECT count(*) FROM message WHERE chat_id = $1", chat_id) == 0
    row = await world.postgres.pool.fetchrow(
        "SELECT state, credit_state, title, deleted_at FROM chat WHERE id = $1", chat_id
    )
    assert row is not None
    assert (row["state"], row["credit_state"], row["title"]) == ("CLOSED", "SPENT", None)
    assert await world.balance() == before - 1
    assert not [entry for entry in logged if entry["log_level"] in {"error", "critical"}]
    await world.check_ledger()


async def test_credits_for_which_no_token_has_left_go_back(gateway: LocalGateway, world: World) -> None:
    person = await signed_in(world.postgres, "mara_k")
    before = await world.balance()
    for number in range(2):  # two of one channel in one batch
        await asked(gateway, person, MUTE, f"open-000{number}")
    assert await world.balance() == before - 2
    await delete_over_http(gateway, person)
    assert await world.balance() == before
    await eventually(lambda: not gateway.gateway.live_chats.busy())
    await world.check_ledger()


async def test_a_socket_that_is_not_closed_yet_begins_and_sends_nothing(gateway: LocalGateway, world: World) -> None:
    person = await signed_in(world.postgres, "mara_k")
    client = await gateway.connect(cookie_of(person))
    opened = await client.open_chat("deep-sea-lab")
    await client.ask(opened["k"], "One. [[tokens=5]]", "send-0001")
    await delete_user(world.postgres, person.user_id, "mara_k")
    refused = await client.call("open", channel="deep-sea-lab", idem="open-0002")
    assert refused["code"] == "unauthorized"
    await gateway.gateway.erasing.erase_chats_of(person.user_id)
    chats = "SELECT count(*) FROM chat WHERE user_id = $1 AND deleted_at IS NULL"
    assert await world.postgres.pool.fetchval(chats, person.user_id) == 0


async def test_what_a_dead_node_has_left_over_is_erased_by_another(gateway: LocalGateway, world: World) -> None:
    person = await signed_in(world.postgres, "mara_k")
    client = await gateway.connect(cookie_of(person))
    opened = await client.open_chat("deep-sea-lab")
    await client.ask(opened["k"], "One. [[tokens=5]]", "send-0001")
    await delete_user(world.postgres, person.user_id, "mara_k")
    assert await gateway.gateway.erasing.erase_due() == 1
    assert await gateway.gateway.erasing.erase_due() == 0
    assert await world.postgres.pool.fetchval("SELECT count(*) FROM message") == 0
