"""A visitor asks, and gets what they asked for."""

from tests.support.scenarios.stage import ABSENT, FIGURES, LAB, SHORT, SILENT, SPENT, Stage
from tests.support.socket_client import of_kind


async def first_message(stage: Stage) -> None:
    """A chat is opened, asked twice, closed and read again; the first message takes the credit."""
    socket, opened = await stage.open_chat()
    await socket.say("send", of_kind("done"), SPENT, k=1, idem="send-0001", text=f"Tell me about the deep. {SHORT}")
    await socket.say("send", of_kind("done"), k=1, idem="send-0002", text=f"And about the lamp. {SHORT}")
    await socket.say("close", k=1)
    await socket.say("sub", chat=opened["chat"])
    await socket.say("send", k=1, idem="send-0003", text="One more?")
    await socket.say("unsub", k=1)
    await socket.say("ping")


async def watched(stage: Stage) -> None:
    """Channels are watched by name and by id, on air or not, and let go."""
    socket = await stage.connect()
    await socket.say("watch", *FIGURES, channel="night-kitchen")
    await socket.say("watch", *FIGURES, channel=str(stage.fans.world.on_air))
    await socket.say("unwatch", channel="night-kitchen")
    await socket.say("watch", channel="no-such-channel")


async def repeated(stage: Stage) -> None:
    """Commands are sent again with the same idem; with another content that is a conflict."""
    socket, _ = await stage.open_chat()
    text = f"Tell me about the deep. {SHORT}"
    await socket.say("open", *FIGURES, idem="open-0001", channel=LAB)
    await socket.say("send", of_kind("done"), SPENT, k=1, idem="send-0001", text=text)
    await socket.say("send", k=1, idem="send-0001", text=text)
    await socket.say("send", k=1, idem="send-0001", text="Another text")
    await socket.say("open", *FIGURES, idem="open-0001", channel=LAB)
    await socket.say("open", idem="open-0001", channel="night-kitchen")


async def resumed(stage: Stage) -> None:
    """The connection is lost while an answer runs; a new one replays what was missed, others get a snapshot."""
    socket, opened = await stage.open_chat()
    chat, epoch = opened["chat"], opened["epoch"]
    sent = (of_kind("d", s=5), SPENT)
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
    until = (of_kind("done"), SPENT, of_kind("usage"))
    text = "Tell me about the deep. [[tokens=7 rate=5 delay_ms=0]]"
    await socket.say("send", *until, k=1, idem="send-0001", text=text, keeps_usage=True)


async def stopped(stage: Stage) -> None:
    """A running answer keeps the chat busy, is stopped and kept; stopping it again changes nothing."""
    socket, _ = await stage.open_chat()
    sent = (of_kind("d", s=5), SPENT)
    await socket.say("send", *sent, k=1, idem="send-0001", text=f"Tell me about the deep. {SILENT}")
    answer = socket.client.of("start")[0]["id"]
    await socket.say("send", k=1, idem="send-0002", text="Are you there?")
    await socket.say("stop", of_kind("done"), k=1, msg=answer)
    await socket.say("stop", k=1, msg=answer)
    await socket.say("stop", k=1, msg=ABSENT)
