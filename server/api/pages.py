"""The pages: the list of channels and one channel. Opening one without a session begins a visitor's."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from server.api.channels import ChannelEndpoints, ChannelsQuery
from server.api.deps import ModelStatus
from server.api.queries import read_query
from server.api.rendering import Rendering
from server.auth.visitors import Visitors
from server.channels.contributors import count_activation_contributors, latest_contributors
from server.channels.starters import read_starters
from server.storage.postgres import Postgres


class PageEndpoints:
    """`/` and `/c/{name}`."""

    def __init__(
        self,
        channels: ChannelEndpoints,
        postgres: Postgres,
        visitors: Visitors,
        rendering: Rendering,
        model_status: Callable[[], ModelStatus],
    ) -> None:
        self._channels = channels
        self._postgres = postgres
        self._visitors = visitors
        self._rendering = rendering
        self._model_status = model_status

    async def index(self, request: Request) -> Response:
        """`GET /`: the channels, with the filters and cursors of the API."""
        query = read_query(request, ChannelsQuery, only_known=True)
        page = await self._channels.page(query)
        context = {"channels": page.channels, "query": query, "next_cursor": page.next, "prev_cursor": page.previous}
        return await self._welcome(request, "channels.html", context)

    async def channel(self, request: Request) -> Response:
        """`GET /c/{name}`: one channel."""
        channel = await self._channels.find(request)
        model = self._model_status()
        context = {
            "channel": channel,
            "contributors": await latest_contributors(self._postgres, channel.id),
            "activation_contributors": await count_activation_contributors(self._postgres, channel.id),
            "starters": await read_starters(self._postgres, channel.id),
            "model": {"name": model.name, "state": model.state.value, "demo": model.demo},
        }
        return await self._welcome(request, "channel.html", context)

    async def _welcome(self, request: Request, template: str, context: dict[str, Any]) -> Response:
        """Render for whoever asks; HEAD, which browsers never open a page with, begins no session."""
        if request.method == "HEAD":
            return self._rendering.page(template, context, await self._visitors.find(request))
        welcome = await self._visitors.welcome(request)
        response = self._rendering.page(template, context, welcome.identity)
        self._visitors.remember(welcome, response)
        return response
