"""Many visitors, each with a session, a socket and an open chat, who act at the same moment."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from tests.support.forked_gateways import new_visitor
from tests.support.gateways import RunningGateway
from tests.support.socket_client import Frame, SocketClient, of_kind
from tests.support.world import World

JOINING_AT_ONCE: Final = 40
ROOM_FOR_CROWDS: Final = {"ws.sockets_per_address": "10000"}
"""Settings of a gateway in this process that takes crowds."""


@dataclass(frozen=True, slots=True)
class Guest:
    """A visitor with one chat.

    Attributes:
        cookie: of the session, for more sockets.
        k: the chat's alias on this socket.
    """

    cookie: str
    client: SocketClient
    k: int
    chat_id: UUID

    async def send(self, text: str, idem: str = "idem-0001") -> Frame:
        """Send a message; returns what it is answered."""
        return await self.client.call("send", k=self.k, idem=idem, text=text)

    async def done(self) -> Frame:
        """The end of the chat's first answer."""
        return await self.client.wait_for(of_kind("done", k=self.k))

    @property
    def heard(self) -> str:
        """All deltas of the chat so far."""
        return "".join(frame["x"] for frame in self.client.of("d", k=self.k))


async def join(world: World, gateway: RunningGateway, cookie: str | None = None, *, idem: str = "open-0001") -> Guest:
    """A visitor, a new one unless there is a cookie, with a chat on `deep-sea-lab`."""
    cookie = cookie or await new_visitor(world.postgres)
    client = await gateway.connect(cookie)
    opened = await client.open_chat("deep-sea-lab", idem)
    return Guest(cookie, client, opened["k"], UUID(opened["chat"]))


async def crowd(world: World, gateways: Sequence[RunningGateway], count: int) -> list[Guest]:
    """So many new visitors, spread over the gateways."""
    door = asyncio.Semaphore(JOINING_AT_ONCE)

    async def enter(number: int) -> Guest:
        async with door:
            return await join(world, gateways[number % len(gateways)])

    return await asyncio.gather(*(enter(number) for number in range(count)))


def tally(replies: Sequence[Frame]) -> Counter[str]:
    """How often each answer was given: `ok`, `ok dup`, or the code of an `err`."""
    return Counter("ok dup" if reply.get("dup") else reply.get("code", reply["t"]) for reply in replies)
