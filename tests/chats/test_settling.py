"""What a refund is told to others, after its commit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from server.chats.settling import Settling
from server.domain.events import CreditReason
from server.ledger.accounts import Balance
from server.ledger.credits import Credits
from server.storage.ids import new_id
from server.storage.postgres import Postgres
from server.storage.redis import Redis


class Garble(asyncio.Protocol):
    """Answers whatever it is asked with a map that has a list for a key, which no client can read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer."""
        self._transport.write(b"%1\r\n*0\r\n+x\r\n")


@contextlib.asynccontextmanager
async def mad_redis() -> AsyncIterator[Redis]:
    """A client of a server that makes no sense."""
    async with await asyncio.get_running_loop().create_server(Garble, "127.0.0.1", 0) as server:
        redis = Redis.open(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield redis
        await redis.close()


async def test_a_refund_whose_balance_redis_garbles_is_told_to_the_watchers_all_the_same(postgres_url: str) -> None:
    postgres = await Postgres.open(postgres_url)
    balance, told = Balance(new_id(), 7, 3), []
    async with mad_redis() as redis:
        settling = Settling(postgres, Credits(postgres, redis), lambda *what: told.append(what))
        await settling.tell_refund(balance, new_id())
    assert told == [(balance, CreditReason.REFUND)]
    await postgres.close()
