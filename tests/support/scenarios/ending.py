"""A chat or an answer ends in another way than its visitor wished."""

import asyncio

from server.auth.own_sessions import OwnSessions
from server.auth.sessions import SessionLimits, Sessions
from tests.support import people
from tests.support.scenarios.stage import FIGURES, LAB, SHORT, SILENT, SPENT, Stage
from tests.support.socket_client import of_kind
from tests.support.token_texts import text_of


async def full(stage: Stage) -> None:
    """A chat nears its cap and reaches it; then it is read-only."""
    socket, opened = await stage.open_chat()
    left = opened["usage"]["left"]
    await socket.say("send", k=1, idem="send-0001", text=text_of(left - 15, SHORT))
    long = text_of(left - 100, "[[tokens=10 rate=0 delay_ms=0]]")
    await socket.say("send", of_kind("done"), SPENT, k=1, idem="send-0002", text=long)
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
    await socket.say("send", of_kind("done"), SPENT, k=1, idem="send-0001", text=f"Tell me about the deep. {failing}")
    await socket.say("send", of_kind("done"), k=1, idem="send-0002", text=f"Once more. {SHORT}")


async def drained(stage: Stage) -> None:
    """The server goes while an answer runs: what there is of it is kept, and another server has it."""
    async with stage.another_gateway() as leaving:
        socket = await stage.connect(leaving)
        opened = await socket.say("open", *FIGURES, idem="open-0001", channel=LAB)
        sent = (of_kind("d", s=5), SPENT)
        await socket.say("send", *sent, k=1, idem="send-0001", text=f"Tell me about the deep. {SILENT}")
        async with asyncio.TaskGroup() as group:
            group.create_task(leaving.gateway.drain(0.5))
            await socket.hear_close()
    staying = await stage.connect()
    await staying.say("sub", chat=opened["chat"])
    await staying.say("send", of_kind("done"), k=1, idem="send-0002", text=f"And then? {SHORT}")


async def signed_in(stage: Stage) -> None:
    """Somebody signs in elsewhere with the session of an open socket, which goes on; then they sign out."""
    socket, _ = await stage.open_chat()
    await socket.say("send", of_kind("done"), SPENT, k=1, idem="send-0001", text=f"Who am I? {SHORT}")
    postgres = stage.fans.world.postgres
    sessions = Sessions(postgres, SessionLimits())
    visitor = await sessions.find(stage.cookie.partition("=")[2])
    person = await people.signed_in(postgres, "mara_k", visitor=visitor)
    await socket.hear(of_kind("who"))
    await socket.say("send", of_kind("done"), k=1, idem="send-0002", text=f"And now? {SHORT}")
    await OwnSessions(postgres).end(person.identity, person.session_id)
    await socket.hear_close()
