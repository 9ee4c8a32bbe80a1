"""Keys of users: whose they are, what they may do, and when that ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from server.auth.api_keys import KEYS_OF_OWNER_MAX, ApiKeys
from server.auth.roles import set_role
from server.domain.errors import Code, Refusal
from server.domain.identity import IdentityKind
from server.domain.scopes import Scope
from server.domain.users import UserRole
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.http_clients import http_client
from tests.support.people import signed_in
from tests.support.raw_socket import RawSocket
from tests.support.waiting import eventually
from tests.support.world import World, made_world

SUBPROTOCOL = ("Sec-WebSocket-Protocol", "tallylight.v1")


@pytest.fixture
def keys(postgres: Postgres) -> ApiKeys:
    return ApiKeys(postgres)


@pytest.fixture
async def world(postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    async with made_world(postgres_url, redis_url) as made:
        yield made


@pytest.fixture
async def gateway(postgres_url: str, redis_url: str, world: World) -> AsyncIterator[LocalGateway]:
    async with local_gateway(postgres_url, redis_url) as running:
        yield running


async def test_a_key_speaks_for_its_owner(keys: ApiKeys, postgres: Postgres) -> None:
    owner = await signed_in(postgres, "fan")
    _, secret = await keys.create("a program", [Scope.READ], owner_id=owner.user_id)
    identity = await keys.find(secret)
    assert identity is not None
    assert (identity.kind, identity.user_id, identity.name) == (IdentityKind.KEY, owner.user_id, "fan")
    assert identity.scopes == {Scope.READ}
    assert identity.owns(owner.user_id, None)


async def test_a_key_opens_nothing_once_its_owner_is_gone(keys: ApiKeys, postgres: Postgres) -> None:
    owner = await signed_in(postgres, "fan")
    key, secret = await keys.create("a program", owner_id=owner.user_id)
    await postgres.pool.execute('UPDATE "user" SET deleted_at = clock_timestamp() WHERE id = $1', owner.user_id)
    assert await keys.find(secret) is None
    assert await keys.read(key.id) is None
    assert list(await keys.revoked_of([key.id])) == [key.id]


async def test_an_admins_key_is_one_for_as_long_as_its_owner_is(keys: ApiKeys, postgres: Postgres) -> None:
    owner = await signed_in(postgres, "boss", UserRole.ADMIN)
    _, secret = await keys.create("a program", [Scope.ADMIN], owner_id=owner.user_id)
    before = await keys.find(secret)
    await set_role(postgres, "boss", UserRole.USER)
    after = await keys.find(secret)
    assert before is not None
    assert after is not None
    assert (before.is_admin, after.is_admin) == (True, False)


async def test_a_key_of_an_admin_without_the_scope_is_none(keys: ApiKeys, postgres: Postgres) -> None:
    owner = await signed_in(postgres, "boss", UserRole.ADMIN)
    _, secret = await keys.create("a program", [Scope.CHAT, Scope.READ], owner_id=owner.user_id)
    identity = await keys.find(secret)
    assert identity is not None
    assert not identity.is_admin


@pytest.mark.parametrize("has_owner", [True, False])
async def test_who_is_no_admin_owns_no_admins_key(keys: ApiKeys, postgres: Postgres, *, has_owner: bool) -> None:
    owner_id = (await signed_in(postgres, "fan")).user_id if has_owner else None
    with pytest.raises(Refusal) as refused:
        await keys.create("a program", [Scope.ADMIN], owner_id=owner_id)
    assert refused.value.code is Code.FORBIDDEN
    assert await keys.list() == []


async def test_a_request_that_comes_again_makes_no_second_key(keys: ApiKeys, postgres: Postgres) -> None:
    owner, key_id = await signed_in(postgres, "fan"), new_id()
    await keys.create("a program", owner_id=owner.user_id, key_id=key_id)
    with pytest.raises(Refusal) as refused:
        await keys.create("a program", owner_id=owner.user_id, key_id=key_id)
    assert refused.value.code is Code.CONFLICT
    assert [key.id for key in await keys.list()] == [key_id]


async def test_nobody_has_more_keys_than_fit_however_fast_they_are(keys: ApiKeys, postgres: Postgres) -> None:
    owner = await signed_in(postgres, "fan")
    for number in range(KEYS_OF_OWNER_MAX - 1):
        first, _ = await keys.create(f"program {number}", owner_id=owner.user_id)
    made = await asyncio.gather(
        *(keys.create("one more", owner_id=owner.user_id) for _ in range(5)), return_exceptions=True
    )
    refused = [one for one in made if isinstance(one, Refusal)]
    assert [one.code for one in refused] == [Code.CONFLICT] * 4
    assert len(await keys.list_of(owner.user_id)) == KEYS_OF_OWNER_MAX
    await keys.revoke(first.id, owner_id=owner.user_id)
    await keys.create("in its place", owner_id=owner.user_id)


async def test_two_keys_at_once_wait_for_each_other_before_they_are_counted(keys: ApiKeys, postgres: Postgres) -> None:
    """Both have begun before either is made; without the lock on the owner's row both would find room."""
    owner = await signed_in(postgres, "fan")
    for number in range(KEYS_OF_OWNER_MAX - 1):
        await keys.create(f"program {number}", owner_id=owner.user_id)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.TaskGroup() as group, postgres.pool.acquire() as holder, holder.transaction():
        await holder.execute('SELECT 1 FROM "user" WHERE id = $1 FOR NO KEY UPDATE', owner.user_id)
        makers = [group.create_task(outcome_of(keys, owner.user_id)) for _ in range(2)]
        await eventually(lambda: _is(2, postgres, waiting), deadline_seconds=1.5)  # a lock is waited for 2 s
    assert sorted(str(maker.result()) for maker in makers) == ["None", "conflict"]
    assert len(await keys.list_of(owner.user_id)) == KEYS_OF_OWNER_MAX


async def outcome_of(keys: ApiKeys, owner_id: UUID) -> str | None:
    """Make a key; returns the code of the refusal."""
    try:
        await keys.create("one more", owner_id=owner_id)
    except Refusal as refusal:
        return refusal.code.value
    return None


async def _is(expected: int, postgres: Postgres, query: str) -> bool:
    return bool(await postgres.pool.fetchval(query) == expected)


async def test_nobody_revokes_anothers_key(keys: ApiKeys, postgres: Postgres) -> None:
    owner, other = await signed_in(postgres, "fan"), await signed_in(postgres, "other")
    key, secret = await keys.create("a program", owner_id=owner.user_id)
    assert await keys.revoke(key.id, owner_id=other.user_id) is None
    assert await keys.find(secret) is not None


async def ready_socket(gateway: LocalGateway, secret: str) -> RawSocket:
    async with http_client(gateway.url, {"authorization": f"Bearer {secret}"}) as http:
        answer = await http.post("/api/ws-tickets", json={"channel": "deep-sea-lab"})
    socket = await RawSocket.open(gateway.url, [SUBPROTOCOL])
    hello = {"t": "hello", "rid": 1, "client": "raw/1", "ticket": answer.json()["ticket"]}
    assert (await socket.call(json.dumps(hello)))["t"] == "ready"
    return socket


async def test_a_key_to_read_follows_and_does_not_ask(gateway: LocalGateway, world: World) -> None:
    _, secret = await ApiKeys(world.postgres).create("a reader", [Scope.READ])
    async with await ready_socket(gateway, secret) as socket:
        for command in (
            {"t": "open", "rid": 2, "channel": "deep-sea-lab", "idem": "idem-0001"},
            {"t": "send", "rid": 2, "k": 1, "idem": "idem-0001", "text": "Hello"},
            {"t": "stop", "rid": 2, "k": 1, "msg": "019ab5f2-0000-7000-8000-000000000000"},
            {"t": "close", "rid": 2, "k": 1},
        ):
            refused = await socket.call(json.dumps(command))
            assert (refused["t"], refused["code"]) == ("err", "forbidden"), refused
        watching = await socket.call(json.dumps({"t": "watch", "rid": 3, "channel": "deep-sea-lab"}))
        assert watching["t"] in {"ok", "channel", "credit"}
