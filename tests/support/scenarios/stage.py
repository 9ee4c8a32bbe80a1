"""Where the scenarios of the golden transcripts are played.

Numbers of tokens are chosen so that nothing depends on speed: the model goes silent (`break=stall`) where a scenario
needs an answer that runs.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from tests.support.fans import Fans
from tests.support.gateways import LocalGateway
from tests.support.socket_client import Frame, SocketClient, of_kind
from tests.support.transcripts import RecordedSocket, Transcript

LAB: Final = "deep-sea-lab"
SHORT: Final = "[[tokens=12 rate=0 delay_ms=0]]"
SILENT: Final = "[[tokens=50 rate=0 delay_ms=0 break=stall fail_at=4]]"
"""Three tokens, numbers 3 to 5 of a new chat, and then nothing more."""
ABSENT: Final = "019ab5f2-0000-7000-8000-000000000000"
FIGURES: Final = (of_kind("channel"), of_kind("credit"))
SPENT: Final = of_kind("credit", why="spend")


@dataclass
class Stage:
    """One visitor, and the sockets they open.

    Attributes:
        another_gateway: runs a second one on the same servers.
    """

    fans: Fans
    another_gateway: Callable[[], AbstractAsyncContextManager[LocalGateway]]
    cookie: str
    transcript: Transcript = field(default_factory=Transcript)
    _sockets: int = 0

    async def connect(
        self, gateway: LocalGateway | None = None, *, has_cookie: bool = True, greets: bool = True
    ) -> RecordedSocket:
        """A socket; `hello` is said on it unless it does not greet."""
        url = (gateway or self.fans.gateway).url
        client = await SocketClient.open(url, cookie=self.cookie if has_cookie else None, origin=url)
        self.fans.clients.append(client)
        self._sockets += 1
        socket = RecordedSocket(client, self.transcript, self._sockets)
        self.transcript.add(socket.number, "opened", value=True)
        if greets:
            await socket.say("hello", client="example/1.0")
        return socket

    async def open_chat(self) -> tuple[RecordedSocket, Frame]:
        """A socket, and the `opened` of a new chat."""
        socket = await self.connect()
        opened = await socket.say("open", of_kind("channel"), of_kind("credit"), idem="open-0001", channel=LAB)
        return socket, opened
