"""Markdown while it grows: what cannot change any more is printed for good, the rest is drawn anew.

The last top-level block of a text may still become something else (a paragraph a list, a line a heading), all before it
may not (CommonMark 0.31, section 3: blocks are closed when a later one begins).
"""

import re
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment, Segments
from rich.text import Text

CODE_THEME: Final = "ansi_dark"
"""Follows the colours of the terminal, light or dark."""
LEAST_ROWS: Final = 4
ROWS_BESIDE: Final = 4
"""Of the screen, for the line of status and the space around: what is drawn anew may not scroll away."""
_LINE_END: Final = re.compile(r"\r\n?|\n")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class GrowingMarkdown:
    """Draws one answer. Use it as a context manager; `show` as often as something has changed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed = 0
        self._text = ""
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "GrowingMarkdown":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.update("", refresh=True)
        self._live.stop()

    @property
    def shown(self) -> str:
        """What stands on the screen for good."""
        return self._text[: self._printed]

    def show(self, text: str, status: RenderableType = "") -> None:
        """Draw the text so far, which begins with what was `shown`, and a line of status below it."""
        self._text = text
        stable = end_of_stable_blocks(text[self._printed :])
        if stable:
            self._print(stable)
        rows = _rows_of(self._console, text[self._printed :])
        room = max(LEAST_ROWS, self._console.size.height - ROWS_BESIDE)
        drawn: list[RenderableType] = [Text("⋮", style="dim")] if len(rows) > room else []
        if rows and self._printed:
            drawn.insert(0, "")
        self._live.update(Group(*drawn, _joined(rows[-room:]), status), refresh=True)

    def finish(self, text: str) -> None:
        """Print what is left of the whole text."""
        self._text = text
        self._live.update("", refresh=True)
        if text[self._printed :].strip():
            self._print(len(text) - self._printed)

    def _print(self, length: int) -> None:
        part = self._text[self._printed : self._printed + length]
        if self._printed:
            self._console.print()
        self._console.print(_joined(_rows_of(self._console, part)), end="")
        self._printed += length


def end_of_stable_blocks(text: str) -> int:
    """Where the last top-level block begins, in characters; 0 while there is only one."""
    tokens = Markdown(text).parsed
    starts = [token.map[0] for token in tokens if token.level == 0 and token.nesting >= 0 and token.map]
    if len(starts) < 2:
        return 0
    ends = [match.end() for match in _LINE_END.finditer(text)]
    return ends[starts[-1] - 1]


def harmless(text: str) -> str:
    """The text without what a terminal would obey instead of showing; as long as it was."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def markdown(text: str) -> Markdown:
    """Drawn with the address of a link beside its words: nobody is led elsewhere than they read."""
    return Markdown(harmless(text), code_theme=CODE_THEME, hyperlinks=False)


def _rows_of(console: Console, text: str) -> list[list[Segment]]:
    """The text as drawn, without the blank rows that some blocks have around them."""
    rows = console.render_lines(markdown(text), pad=False)
    full = [number for number, row in enumerate(rows) if any(segment.text.strip() for segment in row)]
    return rows[full[0] : full[-1] + 1] if full else []


def _joined(rows: list[list[Segment]]) -> Segments:
    return Segments(segment for row in rows for segment in (*row, Segment.line()))
