"""How often an address may open sockets."""

from server.domain.rates import RATES, Action, Subject
from server.ws.protocol import SUBPROTOCOL
from tests.support.gateways import local_gateway
from tests.support.raw_socket import RawSocket
from tests.support.world import World

FACTOR = 0.01


async def test_an_address_that_opens_sockets_too_often_is_told_when_to_come_back(
    postgres_url: str, redis_url: str, world: World
) -> None:
    allowed = RATES[Action.SOCKETS][Subject.ADDRESS].times(FACTOR).count
    async with local_gateway(postgres_url, redis_url, settings={"limits.factor": str(FACTOR)}) as gateway:
        headers = [
            ("Cookie", await gateway.visit()),
            ("Origin", gateway.url),
            ("Sec-WebSocket-Protocol", SUBPROTOCOL),
            ("X-Forwarded-For", "198.51.100.200"),
        ]
        for number in range(allowed):
            headers[-1] = ("X-Forwarded-For", f"198.51.100.{number}")
            async with await RawSocket.open(gateway.url, headers) as socket:
                assert socket.status == 101
        async with await RawSocket.open(gateway.url, headers) as socket:
            assert socket.status == 429
            assert int(socket.header("retry-after")[0]) >= 1
            assert "Too many requests" in await socket.body()
