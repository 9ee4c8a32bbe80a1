"""Visitors with sockets on a gateway that the tests of a module share."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from server.auth.cookies import LOOPBACK_NAME
from server.auth.sessions import SessionLimits, Sessions
from tests.support.gateways import LocalGateway
from tests.support.raw_socket import Header, RawSocket
from tests.support.socket_client import Frame, SocketClient, of_kind
from tests.support.waiting import eventually
from tests.support.world import World


@dataclass(frozen=True, slots=True)
class Written:
    """What the tables have of a chat.

    Attributes:
        messages: (type, status, content) in order.
        charges: (kind, credits by which it changed) of its entries in the ledger, in order.
    """

    state: str
    credit_state: str
    tokens_used: int
    messages: Sequence[tuple[str, str, str]]
    charges: Sequence[tuple[str, int]]


@dataclass
class Fans:
    """Makes visitors, each with a session of their own unless a cookie is given.

    Attributes:
        clients: every socket that `connect` has opened.
    """

    gateway: LocalGateway
    world: World
    clients: list[SocketClient] = field(default_factory=list)

    async def cookie(self) -> str:
        """The session cookie of a new visitor."""
        _, token = await Sessions(self.world.postgres, SessionLimits()).create_visitor()
        return f"{LOOPBACK_NAME}={token}"

    async def connect(self, cookie: str | None = None, *, greet: bool = True) -> SocketClient:
        """A socket of a new visitor, or of the one with this cookie."""
        client = await SocketClient.open(
            self.gateway.url, cookie=cookie or await self.cookie(), origin=self.gateway.url
        )
        self.clients.append(client)
        if greet:
            assert (await client.hello())["t"] == "ready"
        return client

    async def raw(self, *headers: Header) -> RawSocket:
        """A handshake with these headers and our subprotocol."""
        return await RawSocket.open(self.gateway.url, [("Sec-WebSocket-Protocol", "tallylight.v1"), *headers])

    async def raw_socket(self) -> RawSocket:
        """An open socket of a new visitor who has said hello."""
        socket = await self.raw(("Cookie", await self.cookie()), ("Origin", self.gateway.url))
        assert socket.status == 101
        assert (await socket.call('{"t":"hello","rid":1,"client":"raw/1"}'))["t"] == "ready"
        return socket

    async def chat(self) -> tuple[SocketClient, Frame]:
        """A new visitor's socket, and the `opened` of a new chat on `deep-sea-lab`."""
        client = await self.connect()
        return client, await client.open_chat("deep-sea-lab")

    async def put_on_air(self) -> None:
        """`deep-sea-lab` is on air."""
        await self.world.postgres.pool.execute(
            "UPDATE channel SET status = 'ACTIVE' WHERE id = $1 AND status <> 'ACTIVE'", self.world.on_air
        )

    async def take_off_air(self) -> None:
        """`deep-sea-lab` is off air."""
        await self.world.postgres.pool.execute(
            "UPDATE channel SET status = 'INACTIVE' WHERE id = $1", self.world.on_air
        )

    async def forget_chats(self) -> None:
        """Wait until the gateway has noticed that every socket is closed, and let it forget the chats."""
        chat_side = self.gateway.gateway
        await eventually(lambda: not len(chat_side.sockets))
        chat_side.live_chats.forget_idle(float("inf"))

    async def close_all(self) -> None:
        """Close every socket."""
        async with asyncio.TaskGroup() as group:
            for client in self.clients:
                group.create_task(client.close())

    async def assert_untouched(self, opened: Frame) -> None:
        """Fail when the chat has a message, a charge, or another state than a new one."""
        used = opened["usage"]["used"]
        assert await self.written(opened["chat"]) == Written("OPEN", "NONE", used, [], [])

    async def written(self, chat_id: str) -> Written:
        """What is stored of this chat."""
        pool = self.world.postgres.pool
        chat = await pool.fetchrow(
            "SELECT state, credit_state, tokens_used FROM chat WHERE id = $1",
            UUID(chat_id),
        )
        assert chat is not None
        messages = await pool.fetch(
            "SELECT type, status, content FROM message WHERE chat_id = $1 ORDER BY seq", UUID(chat_id)
        )
        entries = await pool.fetch(
            "SELECT kind, delta FROM credit_entry WHERE chat_id = $1 ORDER BY channel_seq", UUID(chat_id)
        )
        state, credit_state, tokens_used = chat
        return Written(
            state, credit_state, tokens_used, [tuple(row) for row in messages], [tuple(row) for row in entries]
        )


async def still_works(client: SocketClient) -> bool:
    """Whether the socket answers."""
    after = len(client.frames)
    await client.send_raw('{"t":"ping","n":7}')
    return bool((await client.wait_for(of_kind("pong"), after=after))["n"] == 7)
