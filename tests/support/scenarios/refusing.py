"""The server does not do what it is told."""

from tests.support.scenarios.stage import ABSENT, Stage
from tests.support.socket_client import of_kind


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
