"""What the golden transcripts tell: each scenario is played on a real gateway, with the scripted model.

A scenario's docstring is the first line of its file. Numbers of tokens are chosen so that nothing depends on speed: the
model goes silent (`break=stall`) where a scenario needs an answer that runs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from tests.support.fans import Fans
from tests.support.gateways import LocalGateway
from tests.support.socket_client import Frame, SocketClient, of_kind
from tests.support.token_texts import text_of
from tests.support.transcripts import RecordedSocket, Transcript

LAB: Final = "deep-sea-lab"
SHORT: Final = "[[tokens=12 rate=0 delay_ms=0]]"
SILENT: Final = "[[tokens=50 rate=0 delay_ms=0 break=stall fail_at=4]]"
"""Three tokens, numbers 3 to 5 of a new chat, and then nothing more."""
ABSENT: Final = "019ab5f2-0000-7000-8000-000000000000"
UNTIL_SPENT: Final = (of_kind("done"), of_kind("credit", why="spend"))


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


async def first_message(stage: Stage) -> None:
    """A chat is opened, asked twice, closed and read again; the first message takes the credit."""
    socket, opened = await stage.open_chat()
    await socket.say("send", *UNTIL_SPENT, k=1, idem="send-0001", text=f"Tell me about the deep. {SHORT}")
    await socket.say("send", of_kind("done"), k=1, idem="send-0002", text=f"And about the lamp. {SHORT}")
    await socket.say("close", k=1)
    await socket.say("sub", chat=opened["chat"])
    await socket.say("send", k=1, idem="send-0003", text="One more?")
    await socket.say("unsub", k=1)
    await socket.say("ping")


async def watched(stage: Stage) -> None:
    """Channels are watched by name and by id, on air or not, and let go."""
    socket = await stage.connect()
    await socket.say("watch", of_kind("channel"), of_kind("credit"), channel="night-kitchen")
    await socket.say("watch", of_kind("channel"), of_kind("credit"), channel=str(stage.fans.world.on_air))
    await socket.say("unwatch", channel="night-kitchen")
    await socket.say("watch", channel="no-such-channel")


async def repeated(stage: Stage) -> None:
    """Commands are sent again with the same idem; with another content that is a conflict."""
    socket, _ = await stage.open_chat()
    text = f"Tell me about the deep. {SHORT}"
    await socket.say("open", of_kind("channel"), of_kind("credit"), idem="open-0001", channel=LAB)
    await socket.say("send", *UNTIL_SPENT, k=1, idem="send-0001", text=text)
    await socket.say("send", k=1, idem="send-0001", text=text)
    await socket.say("send", k=1, idem="send-0001", text="Another text")
    await socket.say("open", of_kind("channel"), of_kind("credit"), idem="open-0001", channel=LAB)
    await socket.say("open", idem="open-0001", channel="night-kitchen")


async def resumed(stage: Stage) -> None:
    """The connection is lost while an answer runs; a new one replays what was missed, others get a snapshot."""
    socket, opened = await stage.open_chat()
    chat, epoch = opened["chat"], opened["epoch"]
    sent = (of_kind("d", s=5), of_kind("credit", why="spend"))
    await socket.say("send", *sent, k=1, idem="send-0001", text=f"Tell me about the deep. {SILENT}")
    await socket.drop()
    again = await stage.connect()
    await again.say("sub", of_kind("d"), chat=chat, epoch=epoch, seq=2)
    await again.say("sub", chat=chat, epoch=epoch, seq=5)
    await again.say("sub", chat=chat, epoch="999", seq=5)
    await again.say("sub", chat=chat)


async def metered(stage: Stage) -> None:
    """An answer runs for more than a second, and the meter is told on the way."""
    socket, _ = await stage.open_chat()
    until = (*UNTIL_SPENT, of_kind("usage"))
    text = "Tell me about the deep. [[tokens=7 rate=5 delay_ms=0]]"
    await socket.say("send", *until, k=1, idem="send-0001", text=text, keeps_usage=True)


async def stopped(stage: Stage) -> None:
    """A running answer keeps the chat busy, is stopped and kept; stopping it again changes nothing."""
    socket, _ = await stage.open_chat()
    sent = (of_kind("d", s=5), of_kind("credit", why="spend"))
    await socket.say("send", *sent, k=1, idem="send-0001", text=f"Tell me about the deep. {SILENT}")
    answer = socket.client.of("start")[0]["id"]
    await socket.say("send", k=1, idem="send-0002", text="Are you there?")
    await socket.say("stop", of_kind("done"), k=1, msg=answer)
    await socket.say("stop", k=1, msg=answer)
    await socket.say("stop", k=1, msg=ABSENT)


async def full(stage: Stage) -> None:
    """A chat nears its cap and reaches it; then it is read-only."""
    socket, opened = await stage.open_chat()
    left = opened["usage"]["left"]
    await socket.say("send", k=1, idem="send-0001", text=text_of(left - 15, SHORT))
    long = text_of(left - 100, "[[tokens=10 rate=0 delay_ms=0]]")
    await socket.say("send", *UNTIL_SPENT, k=1, idem="send-0002", text=long)
    endless = "[[tokens=500 rate=0 delay_ms=0]]"
    await socket.say("send", of_kind("limit"), of_kind("done"), k=1, idem="send-0003", text=f"And then? {endless}")
    await socket.say("send", k=1, idem="send-0004", text="One more?")


async def refunded(stage: Stage) -> None:
    """The provider fails before a first token: the credit goes back and the chat ends."""
    socket, _ = await stage.open_chat()
    until = (of_kind("closed"), of_kind("credit", why="refund"))
    await socket.say("send", *until, k=1, idem="send-0001", text="Tell me about the deep. [[break=500 delay_ms=0]]")
    await socket.say("send", k=1, idem="send-0002", text="Once more?")


async def failed(stage: Stage) -> None:
    """The provider fails in the middle of an answer: what there is of it is kept, and the chat goes on."""
    socket, _ = await stage.open_chat()
    failing = "[[tokens=20 rate=0 delay_ms=0 fail_at=4]]"
    await socket.say("send", *UNTIL_SPENT, k=1, idem="send-0001", text=f"Tell me about the deep. {failing}")
    await socket.say("send", of_kind("done"), k=1, idem="send-0002", text=f"Once more. {SHORT}")


async def refused(stage: Stage) -> None:
    """Values that are not right, what is absent, and a channel that is not on air or has no credit."""
    socket, _ = await stage.open_chat()
    await socket.say_text('{"t":"send","rid":91,"k":1,"idem":"send-0001","text":"  "}', of_kind("err", rid=91))
    await socket.say_text('{"t":"send","rid":92,"k":1,"idem":"short","text":"Hello"}', of_kind("err", rid=92))
    await socket.say_text('{"t":"send","rid":93,"k":0,"idem":"send-0001","text":"Hello"}', of_kind("err", rid=93))
    await socket.say("send", k=1, idem="send-0001", text="\0")
    await socket.say("send", k=1, idem="send-0001", text="Hello", parent=ABSENT)
    await socket.say("send", k=2, idem="send-0001", text="Hello")
    await socket.say("open", idem="open-0002", channel="night-kitchen")
    await socket.say("sub", chat=ABSENT)
    await stage.fans.world.set_balance(0)
    await socket.hear(of_kind("credit", why="adjust"))
    await socket.say("send", k=1, idem="send-0001", text="Hello")


async def struck(stage: Stage) -> None:
    """Frames that are no command: two are answered, the third closes."""
    socket = await stage.connect(greets=False)
    await socket.say_text('{"t":"ping","n":1}', of_kind("err"))
    await socket.say("hello", client="example/1.0")
    await socket.say_text('{"t":"dance","rid":2}', of_kind("err"))
    await socket.say_text("no JSON")
    await socket.hear_close()


async def sent_away(stage: Stage) -> None:
    """A visitor without a session, and one who says hello twice."""
    nobody = await stage.connect(has_cookie=False, greets=False)
    await nobody.say_text('{"t":"hello","rid":1,"client":"example/1.0"}')
    await nobody.hear_close()
    twice = await stage.connect()
    await twice.say_text('{"t":"hello","rid":2,"client":"example/1.0"}')
    await twice.hear_close()


async def drained(stage: Stage) -> None:
    """The server goes while an answer runs: what there is of it is kept, and another server has it."""
    async with stage.another_gateway() as leaving:
        socket = await stage.connect(leaving)
        opened = await socket.say("open", of_kind("channel"), of_kind("credit"), idem="open-0001", channel=LAB)
        sent = (of_kind("d", s=5), of_kind("credit", why="spend"))
        await socket.say("send", *sent, k=1, idem="send-0001", text=f"Tell me about the deep. {SILENT}")
        async with asyncio.TaskGroup() as group:
            group.create_task(leaving.gateway.drain(0.5))
            await socket.hear_close()
    staying = await stage.connect()
    await staying.say("sub", chat=opened["chat"])
    await staying.say("send", of_kind("done"), k=1, idem="send-0002", text=f"And then? {SHORT}")


SCENARIOS: Final[Mapping[str, Callable[[Stage], Awaitable[None]]]] = {
    scenario.__name__: scenario
    for scenario in (
        first_message,
        watched,
        repeated,
        resumed,
        metered,
        stopped,
        full,
        refunded,
        failed,
        refused,
        struck,
        sent_away,
        drained,
    )
}
