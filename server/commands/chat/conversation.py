"""A chat between a person and a channel, in a terminal."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console, RenderableType
from rich.spinner import Spinner
from rich.text import Text

from client.chat import Accepted, Chat, Listener, new_idem
from client.errors import Ended, Refused
from client.frames import Frame
from client.link import Phase
from client.view import Message
from server.commands.chat import words
from server.commands.chat.growing_markdown import GrowingMarkdown, harmless, markdown
from server.commands.chat.keyboard import PROMPT, Keyboard, interrupts, quiet
from server.commands.chat.memory import ChatMemory

FRAME_SECONDS: Final = 0.06
"""Between two drawings of an answer, at least."""
IDLE_FRAME_SECONDS: Final = 0.12
"""Between two drawings while nothing comes: the spinner turns."""
LEFT_AN_ANSWER: Final = 130
HELP: Final = (
    "Enter sends. Alt-Enter, or a backslash at the end of a line, begins another line. "
    "Ctrl-C stops an answer, Ctrl-D leaves, /new begins another chat."
)

MakeChat = Callable[[str | None, Listener], Chat]
"""A chat of this id, or a new one."""


class Conversation(Listener):
    """Reads, sends, draws. `run` it once."""

    def __init__(self, make_chat: MakeChat, channel: str, memory: ChatMemory, console: Console) -> None:
        """Nothing happens before `run`.

        Args:
            make_chat: makes the chat.
            channel: as the user names it.
            memory: where the id of the chat is kept for the next time.
            console: on a terminal.
        """
        self._make_chat = make_chat
        self._channel = channel
        self._memory = memory
        self._console = console
        self._keyboard = Keyboard(self._status)
        self._chat: Chat
        self._changed = asyncio.Event()
        self._failure: Ended | Refused | None = None
        self._may_forget = False
        self._was_ready = self._has_greeted = False
        self._own: set[str] = set()
        self._turn: _Turn | None = None
        self._draft = _Draft()

    async def run(self, chat_id: str | None, *, is_remembered: bool) -> int:
        """Converse until the user leaves; returns the exit code.

        Args:
            chat_id: the chat to go on with; None: a new one.
            is_remembered: whether a new one may take its place when it is gone or takes no more.
        """
        self._may_forget = is_remembered
        self._chat = self._make_chat(chat_id, self)
        async with asyncio.TaskGroup() as tasks:
            talking = tasks.create_task(self._talk(tasks))
            tasks.create_task(self._keep_up(talking))
        if self._failure is not None:
            told = words.of_end(self._failure.end) if isinstance(self._failure, Ended) else self._failure.message
            self._note(told, "red")
            return 1
        return talking.result()

    # Listener

    def phase_changed(self, chat: Chat) -> None:
        """Show it where something is being waited for; a first connection that fails is told at once."""
        if chat.link.phase is Phase.READY:
            self._was_ready = True
        elif chat.link.phase is Phase.WAITING and not self._was_ready:
            assert chat.link.end is not None
            chat.link.fail(Refused("unavailable", words.of_end(chat.link.end)))
        self._show_change()

    def opened(self, chat: Chat, frame: Frame) -> None:
        """Remember it, unless it was remembered and takes no more."""
        if self._may_forget and chat.view.state in {"full", "closed"}:
            self._note("Your last chat here takes no more; this is a new one.")
            self._begin_anew()
        else:
            self._memory.keep(self._channel, chat.view.chat)
            if self._turn is not None and chat.view.running is not None:
                self._turn.answer = chat.view.running.id
        self._may_forget = False
        self._show_change()

    def acknowledged(self, chat: Chat, accepted: Accepted) -> None:
        """The message was sent from here: it stands on the screen already."""
        self._own.add(accepted.message_id)

    def happened(self, chat: Chat, frame: Frame) -> None:
        """Draw it in the turn, or tell it where it comes from elsewhere."""
        if self._turn is not None:
            self._turn.take(frame)
        elif self._has_greeted:
            self._tell_from_elsewhere(frame)
        self._show_change()

    def told(self, chat: Chat, frame: Frame) -> None:
        """New figures."""
        self._show_change()

    def refused(self, chat: Chat, refusal: Refused) -> None:
        """A stop or watch that failed."""
        self._note(words.of_refusal(refusal), "yellow")

    # What goes on.

    async def _keep_up(self, talking: "asyncio.Task[int]") -> None:
        while True:
            try:
                await self._chat.run()
            except Refused as refusal:
                if refusal.code == "not_found" and self._may_forget:
                    self._may_forget = False
                    self._memory.keep(self._channel, None)
                    self._chat = self._make_chat(None, self)
                    continue
                self._failure = refusal
            except Ended as ended:
                self._failure = ended
            break
        if self._failure is not None:
            talking.cancel()

    async def _talk(self, tasks: asyncio.TaskGroup) -> int:
        try:
            with quiet():
                await self._until_ready()
                self._greet()
            if self._chat.view.running is not None:
                await self._follow(None)
            while True:
                with patch_stdout(raw=True):
                    text = await self._next_message()
                if text is None:
                    return 0
                sending = tasks.create_task(self._send(text))
                if not await self._follow(sending):
                    sending.cancel()
                    return LEFT_AN_ANSWER
        finally:
            self._chat.close()

    async def _until_ready(self) -> None:
        with self._console.status("Connecting"):
            while not self._is_known:
                self._changed.clear()
                await self._changed.wait()

    @property
    def _is_known(self) -> bool:
        has_chat = self._chat.view.chat is None or not self._chat.view.is_adrift
        return has_chat and self._chat.balance is not None

    async def _next_message(self) -> str | None:
        """What is to be sent; None: the user leaves."""
        while True:
            try:
                text = await self._keyboard.ask(self._draft.text)
            except (EOFError, KeyboardInterrupt):
                return None
            if text.strip() == "/new":
                self._begin_anew()
                self._note("The next message begins another chat.")
            elif text.strip() in {"/quit", "/exit"}:
                return None
            elif text.strip() == "/help":
                self._note(HELP)
            elif text.strip():
                return text

    async def _send(self, text: str) -> None:
        draft = self._draft if self._draft.text == text else _Draft(text)
        self._draft = _Draft()
        if self._chat.view.state == "closed" and self._chat.view.credit_state == "refunded":
            self._begin_anew()
        try:
            await self._chat.send(text, idem=draft.idem)
        except Refused as refusal:
            self._note_after_turn(words.of_refusal(refusal), "yellow")
            self._draft = draft if refusal.may_retry else _Draft(text)
        except Ended:
            self._draft = draft  # `run` tells why
        finally:
            self._show_change()

    async def _follow(self, sending: "asyncio.Task[None] | None") -> bool:
        """Draw until the answer is over; False when the user leaves before."""
        turn = self._turn = _Turn(self._chat)
        with interrupts(lambda: self._interrupt(turn)), GrowingMarkdown(self._console) as pane:
            while (sending is not None and not sending.done()) or self._chat.is_answering:
                if turn.is_left:
                    return False
                self._changed.clear()
                pane.show(turn.text, self._line_below(turn))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_FRAME_SECONDS):
                        await self._changed.wait()
                await asyncio.sleep(FRAME_SECONDS)
            pane.finish(turn.text)
        self._turn = None
        if turn.is_refunded and not self._draft.text:
            self._draft = _Draft(turn.asked)
        for told, style in turn.all_notes:
            self._note(told, style)
        self._note(words.of_meter(self._chat.view, self._chat.balance))
        return True

    def _interrupt(self, turn: "_Turn") -> None:
        """The first Ctrl-C stops the answer, the second one leaves."""
        turn.is_left = turn.is_stopping
        turn.is_stopping = True
        self._chat.stop()
        self._show_change()

    def _begin_anew(self) -> None:
        self._chat.begin_anew()
        self._memory.keep(self._channel, None)

    # What is shown.

    def _greet(self) -> None:
        chat = self._chat
        self._console.print(Text.assemble((harmless(self._channel), "bold"), f"  {self._standing}"))
        for message in chat.view.messages.values():
            if message is not chat.view.running:
                self._show_message(message)
        self._note(HELP)
        self._has_greeted = True

    @property
    def _standing(self) -> str:
        state = {"PENDING": "not on air yet", "INACTIVE": "off air"}.get(self._chat.channel_status or "", "on air")
        return " · ".join(part for part in (state, words.of_meter(self._chat.view, self._chat.balance)) if part)

    def _tell_from_elsewhere(self, frame: Frame) -> None:
        """What somebody does in this chat on another screen, while this one waits for a message."""
        if frame["t"] == "user" and frame["id"] not in self._own:
            self._show_message(self._chat.view.messages[frame["id"]])
        elif frame["t"] == "done":
            self._show_message(self._chat.view.messages[frame["id"]])
            if told := words.of_done(frame):
                self._note(told, "yellow")
        elif frame["t"] == "closed":
            self._note(words.of_closed(frame), "yellow")

    def _show_message(self, message: Message) -> None:
        if message.type == "user":
            self._console.print(Text.assemble((PROMPT, "cyan bold"), harmless(message.text)))
        else:
            self._console.print(markdown(message.text))

    def _line_below(self, turn: "_Turn") -> RenderableType:
        if self._chat.link.phase is not Phase.READY:
            return Spinner("dots", Text("The connection is lost; coming back", "yellow"))
        if turn.is_stopping:
            return Spinner("dots", Text("Stopping; Ctrl-C again leaves", "dim"))
        if not turn.text:
            return Spinner("dots", Text("Waiting for the answer; Ctrl-C stops", "dim"))
        return Text(words.of_meter(self._chat.view, self._chat.balance), "dim")

    def _status(self) -> str:
        """The line below the prompt."""
        lost = self._chat.link.phase is not Phase.READY
        parts = (
            "the connection is lost; coming back" if lost else "",
            words.of_meter(self._chat.view, self._chat.balance),
        )
        return " · ".join(part for part in parts if part)

    def _note(self, told: str, style: str = "dim") -> None:
        if told:
            self._console.print(Text(harmless(told), style))

    def _note_after_turn(self, told: str, style: str) -> None:
        if self._turn is not None:
            self._turn.notes.append((told, style))

    def _show_change(self) -> None:
        self._changed.set()
        self._keyboard.redraw()


class _Draft:
    """What the next prompt begins with; sent unchanged, it is the same message as before."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.idem = new_idem()


class _Turn:
    """One answer as it comes, and what there is to say about it in the end."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self.answer = None if chat.view.running is None else chat.view.running.id
        self.asked = ""
        self.notes: list[tuple[str, str]] = []
        self.is_stopping = self.is_left = self.is_refunded = self._has_seen_end = False

    @property
    def text(self) -> str:
        """The answer so far."""
        return "" if self._message is None else self._message.text

    @property
    def all_notes(self) -> list[tuple[str, str]]:
        """What there is to say; the end of an answer that a snapshot told is in its status."""
        if self._has_seen_end or self._message is None:
            return self.notes
        return [*self.notes, (words.of_status(self._message.status), "yellow")]

    @property
    def _message(self) -> Message | None:
        return None if self.answer is None else self._chat.view.messages.get(self.answer)

    def take(self, frame: Frame) -> None:
        """Take an event."""
        match frame["t"]:
            case "user":
                self.asked = frame["text"]
            case "start":
                self.answer = frame["id"]
            case "near" | "limit":
                self.notes.append((words.of_limits(frame), "yellow"))
            case "done":
                self._has_seen_end = True
                self.notes.append((words.of_done(frame), "yellow"))
            case "closed":
                self.is_refunded = frame["why"] == "refunded"
                self.notes.append((words.of_closed(frame), "yellow"))
