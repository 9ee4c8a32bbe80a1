"""A gateway, and people and programs who use `tallylight chat` on it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anyio.from_thread import BlockingPortal

from tests.support.terminal import Terminal
from tests.support.world import World


@dataclass
class House:
    """A gateway, and a terminal for it.

    Attributes:
        environment: of the terminal's program; the key is in it.
    """

    portal: BlockingPortal
    world: World
    url: str
    environment: Mapping[str, str]

    def command(self, *arguments: str, channel: str = "deep-sea-lab") -> list[str]:
        """The words of `tallylight chat` for this gateway."""
        return [sys.executable, "-m", "server", "chat", channel, "--url", self.url, *arguments]

    def terminal(self, *arguments: str, channel: str = "deep-sea-lab", columns: int = 80, rows: int = 24) -> Terminal:
        """Start `tallylight chat` in a terminal."""
        return Terminal(self.command(*arguments, channel=channel), self.environment, columns=columns, rows=rows)

    def ask(self, query: str, *values: object) -> list[Any]:
        """Rows of the database."""
        return [tuple(row) for row in self.portal.call(lambda: self.world.postgres.pool.fetch(query, *values))]

    @property
    def answers(self) -> list[str]:
        """The stored answers, the newest first."""
        return [text for (text,) in self.ask("SELECT content FROM message WHERE type = 'AI' ORDER BY id DESC")]
