"""Tickets while Redis is gone: nobody gets one, nobody comes in with one, and everybody is told to try again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest

from server.auth.api_keys import ApiKeys
from server.embedded.valkey import EmbeddedValkey
from tests.support.gateways import LocalGateway, local_gateway
from tests.support.http_clients import http_client
from tests.support.raw_socket import RawSocket
from tests.support.world import made_world

HELLO = '{"t":"hello","rid":1,"client":"raw/1"}'


@dataclass
class House:
    """A gateway whose Redis can be killed, and an API key."""

    gateway: LocalGateway
    valkey: EmbeddedValkey
    secret: str

    async def ask(self) -> httpx2.Response:
        async with http_client(self.gateway.url) as http:
            headers = {"authorization": f"Bearer {self.secret}"}
            return await http.post("/api/ws-tickets", json={"channel": "deep-sea-lab"}, headers=headers)


@pytest.fixture
async def house(postgres_url: str, disposable_valkey: EmbeddedValkey) -> AsyncIterator[House]:
    urls = postgres_url, disposable_valkey.url
    async with made_world(*urls) as world, local_gateway(*urls) as gateway:
        _, secret = await ApiKeys(world.postgres).create("of a test")
        yield House(gateway, disposable_valkey, secret)


async def test_no_ticket_is_given_out(house: House) -> None:
    house.valkey.kill()
    answer = await house.ask()
    assert (answer.status_code, answer.json()["code"], answer.json()["retry"]) == (503, "unavailable", True)
    assert int(answer.headers["retry-after"]) > 0


async def test_a_ticket_in_the_handshake_is_answered_as_overload_is(house: House) -> None:
    ticket = (await house.ask()).json()["ticket"]
    house.valkey.kill()
    headers = [("Sec-WebSocket-Protocol", f"tallylight.v1, t.{ticket}")]
    async with await RawSocket.open(house.gateway.url, headers) as socket:
        assert socket.status == 503
        assert int(socket.header("retry-after")[0]) > 0


async def test_a_ticket_in_hello_is_refused_and_the_socket_stays(house: House) -> None:
    ticket = (await house.ask()).json()["ticket"]
    house.valkey.kill()
    async with await RawSocket.open(house.gateway.url, [("Sec-WebSocket-Protocol", "tallylight.v1")]) as socket:
        refused = await socket.call(HELLO.replace("}", f',"ticket":"{ticket}"}}'))
        assert (refused["t"], refused["code"], refused["retry"]) == ("err", "unavailable", True)
        assert (await socket.call(HELLO.replace("}", f',"ticket":"{ticket}"}}')))["t"] == "err"


@pytest.mark.parametrize("command", ["watch", "unwatch"])
async def test_a_command_right_behind_a_hello_that_is_refused_is_nobodys(house: House, command: str) -> None:
    ticket = (await house.ask()).json()["ticket"]
    house.valkey.kill()
    async with await RawSocket.open(house.gateway.url, [("Sec-WebSocket-Protocol", "tallylight.v1")]) as socket:
        await socket.send(HELLO.replace("}", f',"ticket":"{ticket}"}}').encode())
        refused = await socket.call(f'{{"t":"{command}","rid":2,"channel":"deep-sea-lab"}}')
        behind = await socket.next_frame()
        assert [(one["rid"], one["code"]) for one in (refused, behind)] == [(1, "unavailable"), (2, "unauthorized")]
