"""A line between the page and the real server that can be cut, and can lose or repeat what the server says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.async_api import BrowserContext, WebSocketRoute

Frame = dict[str, Any]


class FlakyLine:
    """Stands in the way of every socket that the pages of a visitor open.

    Attributes:
        said: the commands of the pages, oldest first.
        heard: what reached the pages, oldest first.
        lets_through: whether a command of a page reaches the server; by default each does.
        deliveries: how often a frame of the server reaches the page; by default once. It gets the parsed frame.
    """

    def __init__(self) -> None:
        self.said: list[Frame] = []
        self.heard: list[Frame] = []
        self.lets_through: Callable[[Frame], bool] = lambda _: True
        self.deliveries: Callable[[Frame], int] = lambda _: 1
        self._lines: list[WebSocketRoute] = []

    async def install(self, context: BrowserContext) -> None:
        """Take over the sockets of pages that are opened from now on."""
        await context.route_web_socket("**/ws", self._connect)

    def commands(self, kind: str) -> list[Frame]:
        """What the pages said of this kind."""
        return [frame for frame in self.said if frame["t"] == kind]

    async def cut(self, code: int = 1012) -> None:
        """Close every line toward the page, as a server would."""
        lines, self._lines = self._lines, []
        for line in lines:
            await line.close(code=code, reason="")

    def tell(self, frame: Frame) -> None:
        """Say this to the page that connected last, as if the server had."""
        self._lines[-1].send(json.dumps(frame))

    def _connect(self, page: WebSocketRoute) -> None:
        server = page.connect_to_server()
        self._lines.append(page)

        def from_page(message: str | bytes) -> None:
            self.said.append(json.loads(message))
            if self.lets_through(self.said[-1]):
                server.send(message)

        def from_server(message: str | bytes) -> None:
            told = json.loads(message)
            for frame in told if isinstance(told, list) else [told]:
                for _ in range(self.deliveries(frame)):
                    page.send(json.dumps(frame))
                    self.heard.append(frame)

        page.on_message(from_page)
        server.on_message(from_server)
