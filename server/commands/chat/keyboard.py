"""What is typed: messages of one line or several, and the keys that count while an answer is written."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.styles import Style

PROMPT = "› "
CONTINUED = "  "
STYLE = Style.from_dict({"prompt": "ansicyan bold", "bottom-toolbar": "noreverse ansibrightblack"})


class Keyboard:
    """Asks for messages.

    Enter sends. A line that ends in a backslash, and Alt-Enter, go on with the next line; what is pasted keeps its
    lines.
    """

    def __init__(self, status: Callable[[], str]) -> None:
        """`status` gives the line below the prompt; it is read again at each `redraw`."""
        self._session: PromptSession[str] = PromptSession(
            history=InMemoryHistory(),
            multiline=True,
            key_bindings=_bindings(),
            prompt_continuation=CONTINUED,
            bottom_toolbar=lambda: status() or None,
            style=STYLE,
            reserve_space_for_menu=0,
        )

    async def ask(self, text: str = "") -> str:
        """The next message, with this text to begin with.

        Raises:
            EOFError: Ctrl-D on an empty line.
            KeyboardInterrupt: Ctrl-C on an empty line; it clears what is written.
        """
        prompt: StyleAndTextTuples = [("class:prompt", PROMPT)]
        return await self._session.prompt_async(prompt, default=text)

    def redraw(self) -> None:
        """Something that `status` tells has changed."""
        if self._session.app.is_running:
            self._session.app.invalidate()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While nothing is asked: what is typed is kept for the next prompt instead of being shown."""
    with _unseen(sys.stdin.fileno()):
        yield


@contextlib.contextmanager
def interrupts(told: Callable[[], None]) -> Iterator[None]:
    """For the time of an answer: Ctrl-C is told, and it is `quiet`."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, told)
    try:
        with quiet():
            yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


@contextlib.contextmanager
def _unseen(terminal: int) -> Iterator[None]:
    if not os.isatty(terminal):
        yield
        return
    import termios

    before = termios.tcgetattr(terminal)
    quiet = termios.tcgetattr(terminal)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.current_line_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    @bindings.add("escape", "c-j")  # typed ahead, before the terminal was made to tell the two apart
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @bindings.add("c-c")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt)

    return bindings
