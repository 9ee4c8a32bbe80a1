"""One question from a pipe: its answer goes to the standard output as it comes, all else to the error stream."""

import asyncio
import sys
from collections.abc import Callable

from client.chat import Chat, Listener
from client.errors import Ended, Refused
from client.frames import Frame
from client.link import Phase
from client.view import Message
from server.commands.chat import words
from server.commands.chat.growing_markdown import harmless
from server.commands.console import err, escape


class OneAnswer(Listener):
    """Asks once. `run` it once."""

    def __init__(self, make_chat: Callable[[str | None, Listener], Chat]) -> None:
        """Nothing happens before `run`; `make_chat` makes a chat of this id, or a new one."""
        self._make_chat = make_chat
        self._is_over = asyncio.Event()
        self._written = 0
        self._answer: str | None = None
        self._is_whole = self._was_ready = False

    async def run(self, question: str, chat_id: str | None) -> int:
        """Ask, and return the exit code: 0 when the answer is complete."""
        chat = self._make_chat(chat_id, self)
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(self._ask(chat, question))
            tasks.create_task(self._keep_up(chat, asking))
        return 0 if self._is_whole else 1

    async def _ask(self, chat: Chat, question: str) -> None:
        try:
            await chat.send(question)
            await self._is_over.wait()
        except Refused as refusal:
            _tell(words.of_refusal(refusal))
        finally:
            chat.close()

    async def _keep_up(self, chat: Chat, asking: "asyncio.Task[None]") -> None:
        try:
            await chat.run()
        except Refused as refusal:
            _tell(refusal.message)
        except Ended as ended:
            _tell(words.of_end(ended.end))
        asking.cancel()

    # Listener

    def phase_changed(self, chat: Chat) -> None:
        """A first connection that fails is told at once."""
        self._was_ready = self._was_ready or chat.link.phase is Phase.READY
        if chat.link.phase is Phase.WAITING and not self._was_ready:
            assert chat.link.end is not None
            chat.link.fail(Refused("unavailable", words.of_end(chat.link.end)))

    def opened(self, chat: Chat, frame: Frame) -> None:
        """A snapshot may hold what was missed, the end included."""
        message = self._write(chat)
        if message is not None and chat.view.running is None and frame["mode"] != "replay":
            self._end(message.status == "done", words.of_status(message.status))

    def happened(self, chat: Chat, frame: Frame) -> None:
        """Write what is new."""
        if frame["t"] == "start":
            self._answer = frame["id"]
        self._write(chat)
        if frame["t"] == "done":
            self._end(frame["why"] == "stop", words.of_done(frame))

    def _end(self, is_whole: bool, told: str) -> None:
        self._is_whole = is_whole
        if told:
            _tell(told)
        self._is_over.set()

    def _write(self, chat: Chat) -> Message | None:
        message = None if self._answer is None else chat.view.messages.get(self._answer)
        if message is not None:
            new = message.text[self._written :]
            self._written += len(new)
            sys.stdout.write(harmless(new) if sys.stdout.isatty() else new)
            if message.status != "streaming":
                sys.stdout.write("\n")
            sys.stdout.flush()
        return message


def _tell(told: str) -> None:
    err.print(escape(harmless(told)))
