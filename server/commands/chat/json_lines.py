"""A chat for a program: one JSON object a line, in and out.

In: ``{"t":"send","text":…,"idem"?}``, ``{"t":"stop"}``, ``{"t":"new"}``. Out: the frames of the protocol that concern
the chat, each once and in order whatever becomes of the connection; ``sent`` and ``err``, which answer a line that came
in and carry its `idem`; ``phase`` when the connection comes and goes. The end of the input ends the program when the
last answer is complete.
"""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import msgspec

from client.chat import Chat, Listener, new_idem
from client.errors import Ended, Refused
from client.frames import Frame, encode
from client.link import Phase
from server.commands.chat import words

LINE_BYTES_MAX: Final = 1024 * 1024
READ_BYTES: Final = 65_536
LINES_WAITING_MAX: Final = 64
"""Of the input; who writes more waits."""


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line that comes in."""

    t: str
    text: str | None = None
    idem: str | None = None


class JsonLines(Listener):
    """Speaks with a program. `run` it once."""

    def __init__(self, make_chat: Callable[[str | None, Listener], Chat]) -> None:
        """Nothing happens before `run`; `make_chat` makes a chat of this id, or a new one."""
        self._make_chat = make_chat
        self._idle = asyncio.Event()
        self._was_ready = False

    async def run(self, chat_id: str | None) -> int:
        """Converse until the input ends; returns the exit code: 1 when the server or the network ended it."""
        chat = self._make_chat(chat_id, self)
        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(self._talk(chat, tasks))
            keeping = tasks.create_task(self._keep_up(chat, talking))
        return keeping.result()

    async def _keep_up(self, chat: Chat, talking: "asyncio.Task[None]") -> int:
        try:
            await chat.run()
        except Refused as refusal:
            _say_refused(refusal, None)
        except Ended as ended:
            _say({"t": "end", "code": ended.end.code, "msg": words.of_end(ended.end)})
        else:
            return 0
        talking.cancel()
        return 1

    # Listener

    def phase_changed(self, chat: Chat) -> None:
        """Say how the connection is; a first one that fails ends the program."""
        phase = chat.link.phase
        wait_seconds = chat.link.retry_seconds if phase is Phase.WAITING else None
        _say({"t": "phase", "phase": phase.value, "retrySeconds": wait_seconds})
        self._was_ready = self._was_ready or phase is Phase.READY
        if phase is Phase.WAITING and not self._was_ready:
            assert chat.link.end is not None
            chat.link.fail(Refused("unavailable", words.of_end(chat.link.end)))

    def opened(self, chat: Chat, frame: Frame) -> None:
        """Pass it on."""
        self._pass_on(chat, frame)

    def happened(self, chat: Chat, frame: Frame) -> None:
        """Pass it on."""
        self._pass_on(chat, frame)

    def told(self, chat: Chat, frame: Frame) -> None:
        """Pass it on."""
        self._pass_on(chat, frame)

    def refused(self, chat: Chat, refusal: Refused) -> None:
        """Say it."""
        _say_refused(refusal, None)

    def _pass_on(self, chat: Chat, frame: Frame) -> None:
        _say({name: value for name, value in frame.items() if name not in {"k", "rid"}})
        self._note_idle(chat)

    def _note_idle(self, chat: Chat) -> None:
        if chat.is_answering:
            self._idle.clear()
        else:
            self._idle.set()

    async def _talk(self, chat: Chat, tasks: asyncio.TaskGroup) -> None:
        try:
            await self._pass_in(chat, tasks)
            self._note_idle(chat)
            await self._idle.wait()
        finally:
            chat.close()

    async def _pass_in(self, chat: Chat, tasks: asyncio.TaskGroup) -> None:
        """Do what the lines say, until there are no more and all is acknowledged."""
        sends = set()
        async for text in _lines():
            try:
                line = msgspec.json.decode(text, type=Line)
            except msgspec.DecodeError as error:
                _say_refused(Refused("bad_request", str(error)), None)
                continue
            if line.t == "send" and line.text is not None:
                sends.add(tasks.create_task(self._send(chat, line.text, line.idem or new_idem())))
            elif line.t == "stop":
                chat.stop()
            elif line.t == "new":
                if sends:
                    await asyncio.wait(sends)
                chat.begin_anew()
            else:
                _say_refused(Refused("bad_request", f"no such line: {line.t}"), line.idem)
        if sends:
            await asyncio.wait(sends)

    async def _send(self, chat: Chat, text: str, idem: str) -> None:
        try:
            accepted = await chat.send(text, idem=idem)
        except Refused as refusal:
            _say_refused(refusal, idem)
        except Ended as ended:
            _say_refused(Refused("unavailable", words.of_end(ended.end), may_retry=True), idem)
        else:
            _say({"t": "sent", "idem": idem, "msg": accepted.message_id, "dup": accepted.is_repeat or None})


def _say(told: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(encode(told) + b"\n")
    sys.stdout.buffer.flush()


def _say_refused(refusal: Refused, idem: str | None) -> None:
    told = {"t": "err", "idem": idem, "code": refusal.code, "msg": refusal.message, "retry": refusal.may_retry}
    _say({**told, "after": refusal.after_seconds, "details": dict(refusal.details) or None})


async def _lines() -> AsyncIterator[bytes]:
    """The lines of the standard input, which may be a file, a pipe or a terminal, read by a thread: a loop can wait for
    two of the three only. The thread ends with the program."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[bytes | None](LINES_WAITING_MAX)

    def read() -> None:
        rest = b""
        while data := os.read(0, READ_BYTES):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
            if len(rest) > LINE_BYTES_MAX:
                break
        for last in (rest, None):
            asyncio.run_coroutine_threadsafe(lines.put(last), loop).result()

    threading.Thread(target=read, name="standard input", daemon=True).start()
    while (line := await lines.get()) is not None:
        if line.strip():
            yield line
