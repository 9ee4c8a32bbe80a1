"""A visitor who changes addresses: the quota of the session goes along, that of each address stays where it is."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.support.fans import Fans
from tests.support.gateways import local_gateway
from tests.support.raw_socket import RawSocket
from tests.support.world import made_world

LIMIT = 3


@pytest.fixture
async def behind_a_proxy(postgres_url: str, redis_url: str) -> AsyncIterator[Fans]:
    """Visitors of a gateway behind a proxy on this machine, which tells their addresses."""
    settings = {"chat.visitor_chats_per_day": str(LIMIT)}
    async with (
        made_world(postgres_url, redis_url) as world,
        local_gateway(postgres_url, redis_url, settings=settings, trusted_proxies=["127.0.0.1"]) as gateway,
    ):
        yield Fans(gateway, world)


async def outcome_of_a_chat(fans: Fans, cookie: str, address: str, number: int) -> str:
    """How the first message of a new chat from this address ends: `done`, or the code of the refusal."""
    headers = ("Cookie", cookie), ("Origin", fans.gateway.url), ("X-Forwarded-For", address)
    async with await fans.raw(*headers) as socket:
        assert (await socket.call('{"t":"hello","rid":1,"client":"raw/1"}'))["t"] == "ready"
        opening = {"t": "open", "rid": 2, "idem": f"open-{number:04}", "channel": "deep-sea-lab"}
        opened = await answer_to(socket, opening)
        text = "Hello [[tokens=3 rate=0 delay_ms=0]]"
        sent = await answer_to(socket, {"t": "send", "rid": 3, "k": opened["k"], "idem": "send-0001", "text": text})
        while sent["t"] not in {"err", "done"}:
            sent = dict(await socket.next_frame())
        return str(sent.get("code", sent["t"]))


async def answer_to(socket: RawSocket, command: dict[str, object]) -> dict[str, object]:
    await socket.send(json.dumps(command).encode())
    while True:
        frame = await socket.next_frame()
        if frame.get("rid") == command["rid"]:
            return dict(frame)


async def test_a_visitor_whose_address_changes_stays_limited(behind_a_proxy: Fans) -> None:
    """Every chat from an address of its own, where nothing was used up so far."""
    cookie = await behind_a_proxy.cookie()
    outcomes = [
        await outcome_of_a_chat(behind_a_proxy, cookie, f"198.51.100.{number}", number) for number in range(LIMIT + 1)
    ]
    assert outcomes == ["done"] * LIMIT + ["quota_exceeded"]
    somebody_else = await behind_a_proxy.cookie()
    assert await outcome_of_a_chat(behind_a_proxy, somebody_else, "198.51.100.0", 9) == "done"


async def test_two_subscribers_have_a_quota_each(behind_a_proxy: Fans) -> None:
    """The address side: whoever comes from the same /64 shares, whoever does not does not."""
    for number in range(LIMIT):
        cookie = await behind_a_proxy.cookie()
        assert await outcome_of_a_chat(behind_a_proxy, cookie, f"2001:db8:0:1::{number + 1}", number) == "done"
    cookie = await behind_a_proxy.cookie()
    assert await outcome_of_a_chat(behind_a_proxy, cookie, "2001:db8:0:1:ffff::9", 7) == "quota_exceeded"
    assert await outcome_of_a_chat(behind_a_proxy, cookie, "2001:db8:0:2::1", 8) == "done"
